//! Lists on standard output: a line for each thing, its fields separated by tabs.

use std::io::{self, ErrorKind, Write as _};

use crate::rules::terminal::harmless_field;

/// Writes a line. `false`: whoever reads has seen enough.
///
/// # Errors
/// A sentence that says why it cannot be written.
pub(super) fn line(fields: &[&str]) -> Result<bool, String> {
    let fields: Vec<_> = fields.iter().map(|field| harmless_field(field)).collect();
    match writeln!(io::stdout(), "{}", fields.join("\t")) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true).map_err(|error| error.to_string()),
    }
}
