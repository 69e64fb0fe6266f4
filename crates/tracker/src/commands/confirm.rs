//! Asks for confirmation before a command with large effects.

use std::io::{self, IsTerminal as _, Write as _};

/// Asks `question` and returns whether the answer is yes. Without a terminal nobody can answer, so
/// a command without `--yes` is refused with `refusal`, a sentence that says what it would do.
///
/// # Errors
/// Returns an error if there is no terminal.
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
