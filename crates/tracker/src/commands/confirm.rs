//! Asks whether something that changes much is meant.

use std::io::{self, IsTerminal as _, Write as _};

/// Whether whoever sits at the terminal types yes to a question. Where nobody sits there, a command that
/// was not told `--yes` is refused with `refusal`, a sentence on what it would do.
///
/// # Errors
/// Nobody can be asked.
pub(super) fn confirmed(refusal: &str, question: &str) -> Result<bool, String> {
    if !io::stdin().is_terminal() {
        return Err(format!("{refusal} Add --yes if that is meant."));
    }
    let ask = || -> io::Result<String> {
        let mut err = io::stderr();
        write!(err, "{question} Type yes: ")?;
        err.flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(answer)
    };
    ask()
        .map(|answer| answer.trim() == "yes")
        .map_err(|error| error.to_string())
}
