//! `artigate token create`, `list` and `revoke`: personal access tokens.
//!
//! A token is printed once, when it is created. Only its digest is stored, and that is never printed.

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;

use super::CommandError;
use super::catalog_session::CatalogSession;
use super::listing::{self, Record};
use super::options::one_of;
use crate::auth::{NewToken, new_personal_token};
use crate::catalog::tokens::{self, TokenChanges, TokenDetails};
use crate::catalog::users;
use crate::domain::expiry::Lifetime;
use crate::domain::scope::Scope;
use crate::domain::{Clock, Timestamp};
use crate::settings::Settings;

pub(super) const EXAMPLES: &str = "\
Examples:
  artigate token create --user alice --name laptop --scopes read_api
  artigate token create --user alice --scopes api --expires-in '30 days' > token
  artigate token list --user alice
  artigate token revoke 7";

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Create a personal access token and print it; it cannot be shown again.
    Create(Create),
    /// List tokens, sorted by ID, without their values.
    List {
        /// Only the tokens of this user.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// Print one JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token; it is rejected from the next request on.
    Revoke {
        /// The token's ID, from the list.
        id: i64,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The username of the token's owner.
    #[arg(long, value_name = "NAME")]
    user: String,
    /// The name of the token.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    name: String,
    /// Comma-separated scopes: `read_api` (read), `api` (read and write), `agent` (register agents).
    #[arg(long, value_name = "SCOPE,…", required = true, value_delimiter = ',', value_parser = one_of(Scope::ALL, Scope::as_str))]
    scopes: Vec<Scope>,
    /// The lifetime of the token, or never for no expiry.
    #[arg(long, value_name = "DURATION", default_value = "365 days", value_parser = lifetime)]
    expires_in: Lifetime,
    /// Expiry date (00:00 UTC) or time.
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse, conflicts_with = "expires_in")]
    expires_at: Option<Timestamp>,
}

/// Runs a sub-command.
pub(super) fn run(settings: &Settings, command: TokenCommand) -> Result<(), CommandError> {
    let now = Clock::System.now();
    match command {
        TokenCommand::Create(create) => create.run(settings, now),
        TokenCommand::List { user, json } => list(&CatalogSession::open(settings)?, user, json, now),
        TokenCommand::Revoke { id } => {
            let subject = format!("token {id}");
            CatalogSession::open(settings)?
                .write("token.revoke", subject, move |db| tokens::revoke(db, id))?;
            listing::print(&format!("token {id} is revoked\n"))
        }
    }
}

impl Create {
    fn run(mut self, settings: &Settings, now: Timestamp) -> Result<(), CommandError> {
        let expires_at = self.expires_at(now)?;
        self.scopes.sort_unstable();
        self.scopes.dedup();
        let scopes: Vec<&str> = self.scopes.iter().map(|scope| scope.as_str()).collect();
        let scopes = scopes.join(" ");
        let user = self.user.clone();
        let NewToken { text, sha256 } = new_personal_token().map_err(CommandError::rejected)?;
        let subject = format!("token {:?} of user {user}, scopes {scopes}", self.name);
        let (user, name) = (user, self.name);
        let id = CatalogSession::open(settings)?.write("token.create", subject, move |db| {
            let new = TokenChanges {
                user_id: users::find_by_username(db, &user)?,
                name: Some(name),
                scopes: Some(scopes),
                expires_at: Some(expires_at.map(Timestamp::as_millis)),
                revoked: None,
            };
            tokens::add(db, sha256, &new, now)
        })?;
        listing::write(&format!("{}\n", text.expose_secret())).map_err(|error| {
            let why = format!("token {id} could not be printed and is lost, revoke it: {error}");
            CommandError::Configuration(anyhow::Error::msg(why))
        })?;
        let until = expires_at.map_or_else(|| "until it is revoked".into(), |time| format!("until {time}"));
        eprintln!("This is token {id} of {}, valid {until}. It is shown only once.", self.user);
        Ok(())
    }

    fn expires_at(&self, now: Timestamp) -> Result<Option<Timestamp>, CommandError> {
        let wrong = |why: String| CommandError::Configuration(anyhow::Error::msg(why));
        match self.expires_at {
            Some(time) if time <= now => Err(wrong(format!("--expires-at: {time} is in the past"))),
            Some(time) => Ok(Some(time)),
            None => self.expires_in.expires_at(now).map_err(|why| wrong(format!("--expires-in: {why}"))),
        }
    }
}

/// Parses a lifetime with the syntax of `expire_in`, except that `0` is an error: it is more likely a mistake
/// than a request for a token without expiry.
fn lifetime(text: &str) -> Result<Lifetime, String> {
    match Lifetime::parse(text) {
        Ok(Lifetime::Never) if !text.trim().eq_ignore_ascii_case("never") => {
            Err("expected a duration above zero, or never".into())
        }
        other => other.map_err(|e| e.to_string()),
    }
}

fn list(
    administration: &CatalogSession,
    user: Option<String>,
    json: bool,
    now: Timestamp,
) -> Result<(), CommandError> {
    let found = administration.read(move |db| {
        let user_id = user.map(|name| users::find_by_username(db, &name)).transpose()?;
        tokens::all(db, user_id)
    })?;
    let records: Vec<Record> = found
        .into_iter()
        .map(|(token, user)| {
            let state = state(&token, now);
            let scopes: Vec<&str> = token.scopes.split_whitespace().collect();
            Record::default()
                .with("id", token.id)
                .with("user", user)
                .with("name", token.name)
                .with("scopes", scopes)
                .with("created_at", token.created_at.to_string())
                .with("expires_at", token.expires_at.map(|time| time.to_string()))
                .with("state", state)
        })
        .collect();
    listing::print_all(&["id", "user", "name", "scopes", "created_at", "expires_at", "state"], &records, json)
}

fn state(token: &TokenDetails, now: Timestamp) -> &'static str {
    match token.expires_at {
        _ if token.revoked => "revoked",
        Some(time) if time <= now => "expired",
        _ => "active",
    }
}
