//! What browsers say of where a request comes from, in `Sec-Fetch-Dest` and `Sec-Fetch-Mode`. A page
//! cannot set these headers, and other programs do not send them.

/// Whether a script asks, by `fetch` or `XMLHttpRequest`, or a program that is no browser: not a
/// picture, a link, a form or a frame of some page, which ask whatever address that page names.
#[must_use]
pub fn is_fetch(dest: Option<&str>, mode: Option<&str>) -> bool {
    dest.is_none_or(|dest| dest == "empty") && mode.is_none_or(|mode| !NO_FETCH.contains(&mode))
}

/// The modes of what a page loads without reading it.
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
            // `fetch` with the mode "no-cors", whose answer the page cannot read.
            (Some("empty"), Some("no-cors"), false),
            (None, Some("navigate"), false),
            (Some(""), None, false),
        ] {
            assert_eq!(is_fetch(dest, mode), asks, "{dest:?} {mode:?}");
        }
    }
}
