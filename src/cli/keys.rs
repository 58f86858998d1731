//! `artigate keys`: the keys that sign links and runtime tokens.

use clap::Subcommand;

use super::catalog_session::audit;
use super::{CommandError, existing};
use crate::auth::keys::new_secret;
use crate::catalog::keys;
use crate::domain::Clock;
use crate::settings::Settings;

/// The examples of `artigate keys`.
pub(super) const EXAMPLES: &str = "\
Examples:
  artigate keys rotate";

/// A sub-command of `artigate keys`.
#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Create a new signing key. What the previous key signed stays valid, what earlier keys signed does not.
    ///
    /// Servers use the new key within 30 seconds. Safe while servers run.
    #[command(after_help = EXAMPLES)]
    Rotate,
}

/// Runs a sub-command.
pub(super) fn run(settings: &Settings, command: &KeysCommand) -> Result<(), CommandError> {
    match command {
        KeysCommand::Rotate => {
            let catalog = existing::catalog(settings)?;
            let (secret, now) = (new_secret()?, Clock::System.now());
            super::runtime()?.block_on(catalog.write(move |db| keys::rotate(db, &secret, now)))?;
            println!("a new key signs links and tokens; the previous one is still accepted");
            audit("keys.rotate", "signing keys".to_owned());
            Ok(())
        }
    }
}
