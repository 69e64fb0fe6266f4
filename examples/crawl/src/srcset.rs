//! The attribute `srcset`: the addresses of an image in several sizes.

/// The address of the largest version, by width or by density. Parsed as the HTML standard says
/// ("parse a srcset attribute"), except that candidates with invalid descriptors count as the
/// smallest.
pub(crate) fn largest(srcset: &str) -> Option<&str> {
    let mut best: Option<(f64, &str)> = None;
    let mut rest = srcset;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        if rest.is_empty() {
            return best.map(|(_, url)| url);
        }
        let end = rest
            .find(|c: char| c.is_ascii_whitespace())
            .unwrap_or(rest.len());
        let (candidate, after) = rest.split_at(end);
        let url = candidate.trim_end_matches(',');
        // A comma at the end of the address means that there is no descriptor.
        let (descriptors, after) = match url.len() == candidate.len() {
            true => descriptors(after),
            false => ("", after),
        };
        rest = after;
        let size = size(descriptors);
        if !url.is_empty() && best.is_none_or(|(largest, _)| size > largest) {
            best = Some((size, url));
        }
    }
}

/// Splits at the first comma that is not in parentheses.
fn descriptors(text: &str) -> (&str, &str) {
    let mut depth = 0_usize;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => return (&text[..index], &text[index + 1..]),
            _ => {}
        }
    }
    (text, "")
}

/// The width, or the density, which is 1 if none is given.
fn size(descriptors: &str) -> f64 {
    let number = |word: &str| {
        let digits = word.strip_suffix(['w', 'x'])?;
        digits
            .parse::<f64>()
            .ok()
            .filter(|size| size.is_finite() && *size >= 0.0)
    };
    match descriptors.split_ascii_whitespace().find_map(number) {
        Some(size) => size,
        None if descriptors.trim().is_empty() => 1.0,
        None => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_of_each_kind_is_taken() {
        assert_eq!(largest("a.png 320w, b.png 1280w,c.png 640w"), Some("b.png"));
        assert_eq!(largest("a.png, b.png 2x"), Some("b.png"));
        assert_eq!(largest("b.png 1.5x,\n a.png"), Some("b.png"));
        assert_eq!(largest("only.png"), Some("only.png"));
        assert_eq!(largest(" , ,"), None);
    }

    #[test]
    fn commas_belong_to_addresses_unless_they_end_them() {
        assert_eq!(
            largest("cut(1,2).png 1x, big,er.png 3x"),
            Some("big,er.png")
        );
        assert_eq!(largest("a.png,,b.png 2x"), Some("a.png,,b.png"));
        assert_eq!(largest("a.png x(1,2), b.png"), Some("b.png"));
        assert_eq!(largest("a.png NaNw, b.png -1x, c.png infx"), Some("a.png"));
    }
}
