//! Brace patterns, expanded as in a shell: `shard_{000..999}.tar`, `{train,test}_{1..9}`.

use std::str::FromStr;

/// The maximum number of digits, including leading zeros.
const WIDEST: usize = 64;

/// A checked pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
    count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Words(Vec<String>),
    /// A range of numbers, padded with zeros to `width`.
    Numbers {
        from: i64,
        to: i64,
        step: u64,
        width: usize,
    },
}

impl Part {
    fn count(&self) -> u64 {
        match self {
            Self::Text(_) => 1,
            Self::Words(words) => words.len() as u64,
            Self::Numbers { from, to, step, .. } => from.abs_diff(*to) / step + 1,
        }
    }

    fn append(&self, index: u64, text: &mut String) {
        match self {
            Self::Text(own) => text.push_str(own),
            Self::Words(words) => text.push_str(&words[usize::try_from(index).unwrap_or(0)]),
            Self::Numbers {
                from,
                to,
                step,
                width,
            } => {
                let way = i64::try_from(index * step).unwrap_or(i64::MAX);
                let number = if from <= to { from + way } else { from - way };
                text.push_str(&format!("{number:0width$}"));
            }
        }
    }
}

impl FromStr for Pattern {
    type Err = String;

    /// The error is a sentence for people.
    fn from_str(pattern: &str) -> Result<Self, String> {
        if pattern.contains('\0') {
            return Err("A pattern must not contain U+0000.".to_owned());
        }
        let mut parts = Vec::new();
        let mut rest = pattern;
        while let Some((before, behind)) = rest.split_once('{') {
            let (inside, after) = behind
                .split_once('}')
                .ok_or_else(|| format!("In {pattern:?} a '{{' is not closed."))?;
            if before.contains('}') || inside.contains('{') {
                return Err(format!(
                    "In {pattern:?} braces stand in braces, or close what is not open."
                ));
            }
            parts.push(Part::Text(before.to_owned()));
            parts.push(braces(inside).map_err(|why| format!("In {pattern:?}: {why}"))?);
            rest = after;
        }
        if rest.contains('}') {
            return Err(format!("In {pattern:?} a '}}' closes what is not open."));
        }
        if parts.is_empty() {
            return Err(format!(
                "{pattern:?} has no braces, as \"shard_{{0..999}}.tar\" has."
            ));
        }
        parts.push(Part::Text(rest.to_owned()));
        let count = parts
            .iter()
            .try_fold(1_u64, |count, part| count.checked_mul(part.count()));
        let count =
            count.ok_or_else(|| format!("{pattern:?} makes more jobs than can be counted."))?;
        Ok(Self { parts, count })
    }
}

fn braces(inside: &str) -> Result<Part, String> {
    let ends: Vec<&str> = inside.split("..").collect();
    match ends[..] {
        [from, to] => numbers(from, to, "1"),
        [from, to, step] => numbers(from, to, step),
        _ if inside.contains(',') => {
            Ok(Part::Words(inside.split(',').map(str::to_owned).collect()))
        }
        _ => Err(format!(
            "{{{inside}}} is neither a range, as {{0..9}} is, nor a list, as {{a,b}} is."
        )),
    }
}

fn numbers(from: &str, to: &str, step: &str) -> Result<Part, String> {
    let number = |text: &str| {
        text.parse::<i64>()
            .ok()
            .filter(|number| number.abs_diff(0) <= u64::from(u32::MAX) * 1_000_000)
            .ok_or_else(|| format!("{text:?} is not a number that a range can have."))
    };
    let padded = |text: &str| {
        text.trim_start_matches('-').len() > 1 && text.trim_start_matches('-').starts_with('0')
    };
    let width = if padded(from) || padded(to) {
        from.len().max(to.len())
    } else {
        0
    };
    if width > WIDEST {
        return Err(format!("A number has at most {WIDEST} digits."));
    }
    let step = number(step)?.unsigned_abs();
    if step == 0 {
        return Err("The step of a range must not be 0.".to_owned());
    }
    Ok(Part::Numbers {
        from: number(from)?,
        to: number(to)?,
        step,
        width,
    })
}

impl Pattern {
    /// How many texts the pattern expands to.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Expands the pattern lazily; the last braces vary fastest.
    pub fn iter(&self) -> impl Iterator<Item = String> {
        (0..self.count).map(|index| self.text(index))
    }

    fn text(&self, mut index: u64) -> String {
        // The last part is the lowest digit, so the digits are produced in reverse.
        let mut digits: Vec<u64> = Vec::with_capacity(self.parts.len());
        for part in self.parts.iter().rev() {
            digits.push(index % part.count());
            index /= part.count();
        }
        let mut text = String::new();
        for (part, digit) in self.parts.iter().zip(digits.into_iter().rev()) {
            part.append(digit, &mut text);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(pattern: &str) -> Vec<String> {
        pattern
            .parse::<Pattern>()
            .expect("a pattern")
            .iter()
            .collect()
    }

    #[test]
    fn a_range_counts_up_or_down_in_steps() {
        assert_eq!(
            expand("s{8..11}.tar"),
            ["s8.tar", "s9.tar", "s10.tar", "s11.tar"]
        );
        assert_eq!(expand("{2..0}"), ["2", "1", "0"]);
        assert_eq!(expand("{0..10..4}"), ["0", "4", "8"]);
        assert_eq!(expand("{-1..1}"), ["-1", "0", "1"]);
        assert_eq!(expand("{5..5}"), ["5"]);
    }

    #[test]
    fn zeros_in_front_pad_all_numbers() {
        assert_eq!(expand("{08..10}"), ["08", "09", "10"]);
        assert_eq!(expand("{000..2}"), ["000", "001", "002"]);
        assert_eq!(expand("{0..2}"), ["0", "1", "2"]);
    }

    #[test]
    fn several_braces_are_all_combinations_and_the_last_changes_fastest() {
        assert_eq!(expand("{a,b}-{1..2}"), ["a-1", "a-2", "b-1", "b-2"]);
        assert_eq!(expand("x{,y}"), ["x", "xy"]);
    }

    #[test]
    fn ten_million_are_counted_without_making_them() {
        let pattern: Pattern = "{0..9999}/{0..999}".parse().expect("a pattern");
        assert_eq!(pattern.count(), 10_000_000);
        assert_eq!(pattern.iter().nth(1_001), Some("1/1".to_owned()));
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_a_sentence() {
        for bad in [
            "plain",
            "{0..9",
            "0..9}",
            "{a}",
            "{0..x}",
            "{0..9..0}",
            "{a,{b,c}}",
            "{1..2}}",
            "",
            "{0..4000000000}{0..4000000000}{0..4000000000}",
            // Wider than the standard library can format.
            &format!("{{{}1..2}}", "0".repeat(70_000)),
        ] {
            let sentence = bad.parse::<Pattern>().expect_err(bad);
            assert!(sentence.ends_with('.'), "{sentence}");
        }
    }
}
