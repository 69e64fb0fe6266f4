//! The encoding of a job's data: text that is either JSON, with a mark in front, or a plain string.

/// The prefix of job data that is a JSON document. Any other text is a plain string.
pub const JSON_MARK: &str = "<!json!>";

/// Returns the JSON document in a job's data, or `None` if the data is a plain string.
#[must_use]
pub fn json_part(data: &str) -> Option<&str> {
    data.strip_prefix(JSON_MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_that_starts_with_the_mark_is_json() {
        assert_eq!(json_part("<!json!>[1]"), Some("[1]"));
        assert_eq!(json_part("[1]"), None);
        assert_eq!(json_part(" <!json!>[1]"), None);
    }
}
