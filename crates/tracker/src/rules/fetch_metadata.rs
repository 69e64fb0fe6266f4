//! Fetch metadata: browsers report the origin of a request in `Sec-Fetch-Dest` and
//! `Sec-Fetch-Mode`. A page cannot set these headers, and other programs do not send them.

/// Whether a request was made by a script with `fetch` or `XMLHttpRequest`, or by a program other
/// than a browser; not by an image, a link, a form or a frame, which request any address that a
/// page names.
#[must_use]
pub fn is_fetch(dest: Option<&str>, mode: Option<&str>) -> bool {
    dest.is_none_or(|dest| dest == "empty") && mode.is_none_or(|mode| !NO_FETCH.contains(&mode))
}

/// The modes of requests whose responses the page cannot read.
const NO_FETCH: [&str; 2] = ["no-cors", "navigate"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_other_programs_ask_and_pictures_and_links_do_not() {
        for (dest, mode, asks) in [
            (None, None, true),
            (Some("empty"), Some("cors"), true),
            (Some("empty"), Some("same-origin"), true),
            (Some("empty"), None, true),
            (None, Some("cors"), true),
            (Some("image"), Some("no-cors"), false),
            (Some("image"), Some("cors"), false),
            (Some("document"), Some("navigate"), false),
            (Some("iframe"), Some("navigate"), false),
            (Some("script"), None, false),
            // `fetch` with the mode "no-cors", whose response the page cannot read.
            (Some("empty"), Some("no-cors"), false),
            (None, Some("navigate"), false),
            (Some(""), None, false),
        ] {
            assert_eq!(is_fetch(dest, mode), asks, "{dest:?} {mode:?}");
        }
    }
}
