//! Lists on standard output: one entry per line, its fields separated by tabs.

use std::io::{self, ErrorKind, Write as _};

use crate::rules::terminal::harmless_field;

/// Writes a line. Returns `false` if the reader closed the pipe.
///
/// # Errors
/// Returns a sentence that says why the line cannot be written.
pub(super) fn line(fields: &[&str]) -> Result<bool, String> {
    let fields: Vec<_> = fields.iter().map(|field| harmless_field(field)).collect();
    match writeln!(io::stdout(), "{}", fields.join("\t")) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true).map_err(|error| error.to_string()),
    }
}
