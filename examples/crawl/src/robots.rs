//! What a page's owner forbids: the robots meta tags and the header X-Robots-Tag.
//!
//! Rules addressed to all robots count, and in the header those that name no robot. `noai` and
//! `noimageai` are the ones that DeviantArt introduced in 2022; the others are those that search
//! engines document.

/// What the owner forbids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Robots {
    noindex: bool,
    noarchive: bool,
    noai: bool,
    noimageai: bool,
}

impl Robots {
    /// Adds the rules of a meta tag whose name is `robots`.
    pub(crate) fn meta(&mut self, content: &str) {
        for rule in content.split([',', ' ', ';']) {
            self.rule(rule);
        }
    }

    /// Adds the rules of a header X-Robots-Tag.
    pub(crate) fn header(&mut self, value: &str) {
        for (index, rule) in value.split(',').enumerate() {
            match rule.split_once(':') {
                // `unavailable_after: DATE` and such have a value. A robot's name comes first and
                // holds for the rest of the header.
                Some((name, _)) if index == 0 && !has_value(name) => return,
                Some(_) => {}
                None => self.rule(rule),
            }
        }
    }

    fn rule(&mut self, rule: &str) {
        match &rule.trim().to_ascii_lowercase()[..] {
            "noindex" | "none" => self.noindex = true,
            "noarchive" | "nocache" => self.noarchive = true,
            "noai" => self.noai = true,
            "noimageai" | "noimageindex" => self.noimageai = true,
            _ => {}
        }
    }

    /// The reason why the page may not be kept.
    pub(crate) fn page(self) -> Result<(), &'static str> {
        match self {
            Self { noindex: true, .. } => Err("noindex"),
            Self { noai: true, .. } => Err("noai"),
            Self {
                noarchive: true, ..
            } => Err("noarchive"),
            _ => Ok(()),
        }
    }

    /// Whether images may be kept.
    pub(crate) fn images(self) -> bool {
        !self.noimageai
    }
}

fn has_value(name: &str) -> bool {
    let name = name.trim();
    name.eq_ignore_ascii_case("unavailable_after") || name.to_ascii_lowercase().starts_with("max-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(value: &str) -> Robots {
        let mut robots = Robots::default();
        robots.header(value);
        robots
    }

    #[test]
    fn each_rule_has_its_reason() {
        let meta = |content: &str| {
            let mut robots = Robots::default();
            robots.meta(content);
            (robots.page(), robots.images())
        };
        assert_eq!(meta("index, follow"), (Ok(()), true));
        assert_eq!(meta("NoIndex"), (Err("noindex"), true));
        assert_eq!(meta("none"), (Err("noindex"), true));
        assert_eq!(meta("nofollow noarchive"), (Err("noarchive"), true));
        assert_eq!(meta("noai,noimageai"), (Err("noai"), false));
        assert_eq!(meta("max-snippet:-1, noimageai"), (Ok(()), false));
    }

    #[test]
    fn a_header_for_another_robot_does_not_count() {
        assert_eq!(header("noindex").page(), Err("noindex"));
        assert_eq!(header("otherbot: noindex, noai").page(), Ok(()));
        let after = header("unavailable_after: 25 Jun 2030 15:00:00 PST, noarchive");
        assert_eq!(after.page(), Err("noarchive"));
    }
}
