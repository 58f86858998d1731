//! `artigate user create`, `list`, `set` and `delete`: users.

use clap::{Args, Subcommand};

use super::CommandError;
use super::catalog_session::CatalogSession;
use super::confirm;
use super::listing::{self, Record};
use super::options::{unless_empty, username};
use crate::catalog::users::{self, UserChanges};
use crate::catalog::{agents, clock, tokens};
use crate::domain::Clock;
use crate::settings::Settings;

pub(super) const EXAMPLES: &str = "\
Examples:
  artigate user create alice --name 'Alice Smith' --email alice@example.com
  artigate user set alice --admin
  artigate user list --json
  artigate user create bob
  artigate user delete bob --yes";

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Create a user and print its ID.
    Create(Create),
    /// List all users, sorted by ID.
    List {
        /// Print one JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Delete a user with its tokens and memberships. Prints what that is, and asks first.
    Delete {
        /// The username.
        username: String,
        /// Delete without asking.
        #[arg(long)]
        yes: bool,
    },
    /// Change the given fields of a user.
    Set {
        /// The username.
        username: String,
        #[command(flatten)]
        changes: Changes,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// A unique username without spaces.
    #[arg(value_parser = username)]
    username: String,
    /// The user's ID; the next free one by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    id: Option<i64>,
    /// The display name; the username by default.
    #[arg(long)]
    name: Option<String>,
    /// The user's e-mail address.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Make the user an administrator, who may do everything in every project.
    #[arg(long)]
    admin: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct Changes {
    /// The display name.
    #[arg(long)]
    name: Option<String>,
    /// The user's e-mail address; an empty text removes it.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Make the user an administrator, who may do everything in every project.
    #[arg(long, conflicts_with = "no_admin")]
    admin: bool,
    /// Make the user no administrator; only memberships count then.
    #[arg(long)]
    no_admin: bool,
}

/// Runs a sub-command.
pub(super) fn run(settings: &Settings, command: UserCommand) -> Result<(), CommandError> {
    let administration = CatalogSession::open(settings)?;
    match command {
        UserCommand::Create(create) => create.run(&administration),
        UserCommand::List { json } => list(&administration, json),
        UserCommand::Set { username, changes } => changes.run(&administration, username),
        UserCommand::Delete { username, yes } => delete(&administration, username, yes),
    }
}

impl Create {
    fn run(self, administration: &CatalogSession) -> Result<(), CommandError> {
        let (id, username) = (self.id, self.username.clone());
        let new = UserChanges {
            username: self.username,
            name: self.name,
            email: Some(self.email.and_then(unless_empty)),
            admin: Some(self.admin),
        };
        let id = administration.write("user.create", format!("user {username}"), move |db| {
            users::create(db, id, &new, Clock::System.now())
        })?;
        listing::print(&format!("created user {username} with ID {id}\n"))
    }
}

impl Changes {
    fn run(self, administration: &CatalogSession, username: String) -> Result<(), CommandError> {
        let changes = UserChanges {
            username: username.clone(),
            name: self.name,
            email: self.email.map(unless_empty),
            admin: (self.admin || self.no_admin).then_some(self.admin),
        };
        administration
            .write("user.set", format!("user {username}"), move |db| users::change(db, &changes))?;
        listing::print(&format!("changed user {username}\n"))
    }
}

/// Revokes the tokens of a user, so that no agent registers with them any more, ends its agents one by one, and deletes
/// the user.
fn delete(administration: &CatalogSession, username: String, yes: bool) -> Result<(), CommandError> {
    let named = username.clone();
    let (id, held) = administration.read(move |db| {
        let id = users::find_by_username(db, &named)?;
        Ok((id, users::holdings(db, id)?))
    })?;
    let users::UserHoldings { tokens, memberships, agents } = held;
    let what = format!("{tokens} tokens, {memberships} memberships, {agents} connected agents");
    listing::print(&format!("user {username} (ID {id}): {what}; pipelines and jobs stay\n"))?;
    confirm::require(yes, &format!("Delete user {username} with all of this?"))?;
    let subject = format!("user {username} (ID {id}): {what}");
    administration.change(move |db| tokens::revoke_of_user(db, id))?;
    while let Some(agent) = administration.read(move |db| agents::first_of_user(db, id))? {
        administration.change(move |db| {
            let now = clock::shared(db, &Clock::System)?;
            agents::disconnect(db, agent, now)
        })?;
    }
    administration.write("user.delete", subject, move |db| users::delete(db, id))?;
    listing::print(&format!("deleted user {username}\n"))
}

fn list(administration: &CatalogSession, json: bool) -> Result<(), CommandError> {
    let records: Vec<Record> = administration
        .read(users::all)?
        .into_iter()
        .map(|user| {
            Record::default()
                .with("id", user.id)
                .with("username", user.username)
                .with("name", user.name)
                .with("email", user.email)
                .with("admin", user.admin)
                .with("created_at", user.created_at.to_string())
        })
        .collect();
    listing::print_all(&["id", "username", "name", "email", "admin", "created_at"], &records, json)
}
