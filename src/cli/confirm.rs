//! Confirmation of what cannot be undone: asked for on a terminal, or given by `--yes`.

use std::io::{BufRead, IsTerminal, Write};

use super::CommandError;

/// Asks whether to go on, unless `yes` says so already.
///
/// # Errors
/// [`CommandError::Configuration`] when the answer is no, or nobody can answer.
pub(super) fn require(yes: bool, question: &str) -> Result<(), CommandError> {
    if yes {
        return Ok(());
    }
    let refused = |why: &str| CommandError::Configuration(anyhow::anyhow!("{why}; nothing was changed"));
    if !std::io::stdin().is_terminal() {
        return Err(refused("this cannot be undone: confirm it on a terminal, or with --yes"));
    }
    let mut answer = String::new();
    let mut asked = std::io::stderr().lock();
    let asking = write!(asked, "{question} [y/N] ").and_then(|()| asked.flush());
    asking
        .and_then(|()| std::io::stdin().lock().read_line(&mut answer).map(drop))
        .map_err(|_| refused("the answer cannot be read: confirm it with --yes"))?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(refused("not confirmed")),
    }
}
