//! Which kind of browser a worker runs in, as coarse as it matters for what a handler computes: its engine and the
//! platform decide how `Math` rounds.

/// Engines, by what their `User-Agent` contains and others' does not; the first that fits counts.
const ENGINES: [(&str, &str); 7] = [
    ("Node", "Node"),
    ("node", "Node"),
    ("Firefox/", "Firefox"),
    ("Edg/", "Edge"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Safari"),
    ("Safari/", "Safari"),
];

/// Platforms. A telephone also claims to be what its system is derived from.
const PLATFORMS: [(&str, &str); 6] = [
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// Returns the kind that a `User-Agent` names. There are fewer than fifty kinds, whatever clients send.
#[must_use]
pub fn kind(user_agent: &str) -> String {
    let named = |list: &[(&str, &'static str)]| {
        let mut list = list.iter();
        let found = list.find(|(sign, _)| user_agent.contains(sign));
        found.map_or("other", |(_, name)| *name)
    };
    format!("{} on {}", named(&ENGINES), named(&PLATFORMS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_apart_by_engine_and_platform() {
        let desktop = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) ";
        let chrome = format!("{desktop}Chrome/142.0.0.0 Safari/537.36");
        assert_eq!(kind(&chrome), "Chrome on Linux");
        assert_eq!(kind(&format!("{chrome} Edg/142.0")), "Edge on Linux");
        let firefox =
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0";
        assert_eq!(kind(firefox), "Firefox on Windows");
        let safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 \
                      (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";
        assert_eq!(kind(safari), "Safari on iOS");
        let android = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/142.0 Mobile Safari/537.36";
        assert_eq!(kind(android), "Chrome on Android");
        // What Node's own `fetch` sends.
        assert_eq!(kind("node"), "Node on other");
        for odd in ["", "<script>", "python-requests/2.32"] {
            assert_eq!(kind(odd), "other on other", "{odd}");
        }
    }
}
