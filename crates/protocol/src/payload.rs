//! How a job's data, which is text, says that it is JSON.

/// The mark in front of a JSON document in a job's data; any other text is a plain string.
pub const JSON_MARK: &str = "<!json!>";

/// The JSON document in a job's data, or `None` where the data is a plain string.
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
