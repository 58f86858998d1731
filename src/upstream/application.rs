//! Application: what this server is to an upstream at which people sign in. It gets tokens for them, and new ones before
//! those end.

use std::fmt;
use std::net::IpAddr;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::answer::Outage;
use super::client::Errand;
use super::question::{Asker, Kind};
use super::reply::Reply;
use super::route::Route;
use super::{Upstream, ask, wire};
use crate::domain::Timestamp;
use crate::settings::ApplicationSettings;

/// The tokens of a person who has signed in at the upstream.
#[derive(Clone)]
pub struct PersonTokens {
    /// What the upstream is asked with.
    pub access: SecretString,
    /// What new ones are got for.
    pub refresh: Option<SecretString>,
    /// When the first one ends.
    pub expires_at: Option<Timestamp>,
    /// Who the person is, signed by the upstream; only the first time.
    pub id_token: Option<SecretString>,
}

/// What tokens are got for.
#[derive(Debug, Clone)]
pub enum TokenGrant {
    /// A code that the person's browser has brought.
    Code {
        /// The code.
        code: SecretString,
        /// What only the one can know who sent the browser there.
        verifier: SecretString,
        /// Where the browser came back to.
        redirect_uri: String,
    },
    /// A token for new ones.
    Refresh(SecretString),
}

/// A person, as the upstream knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The number of the user.
    pub user_id: i64,
    /// The name of the user.
    pub username: String,
}

impl Upstream {
    /// Returns this server's application at the upstream, if people sign in there.
    pub fn application(&self) -> Option<&ApplicationSettings> {
        self.0.application.as_ref()
    }

    /// Gets tokens; `None` if the upstream refuses. It goes on if the one who asked has gone.
    ///
    /// # Errors
    /// [`Outage`] when there is no answer.
    pub async fn tokens(
        &self,
        grant: TokenGrant,
        client: Option<IpAddr>,
    ) -> Result<Option<PersonTokens>, Outage> {
        let Some(application) = self.application() else { return Ok(None) };
        let mut fields = own_fields(application);
        match &grant {
            TokenGrant::Code { code, verifier, redirect_uri } => fields.extend([
                ("grant_type", "authorization_code".to_owned()),
                ("code", code.expose_secret().to_owned()),
                ("code_verifier", verifier.expose_secret().to_owned()),
                ("redirect_uri", redirect_uri.clone()),
            ]),
            TokenGrant::Refresh(token) => fields.extend([
                ("grant_type", "refresh_token".to_owned()),
                ("refresh_token", token.expose_secret().to_owned()),
            ]),
        }
        let upstream = self.clone();
        let asking =
            self.0.client.spawn(async move { upstream.send(Route::OAuthToken, &fields, client).await });
        let reply = asking.await.unwrap_or_else(|_| Err(given_up()))?;
        match reply.status {
            200 => read_tokens(&reply.json, self.now()).map(Some),
            400 | 401 | 403 => Ok(None),
            status => Err(Outage::of_question(format!("status {status}"))),
        }
    }

    /// Tells the upstream that a token is no longer needed. Nobody waits for that, and a failure changes nothing.
    pub fn forget_token(&self, token: &SecretString) {
        let Some(application) = self.application() else { return };
        let mut fields = own_fields(application);
        fields.push(("token", token.expose_secret().to_owned()));
        let upstream = self.clone();
        drop(self.0.client.spawn(async move {
            if let Err(outage) = upstream.send(Route::OAuthRevoke, &fields, None).await {
                tracing::debug!(why = %outage.reason, "a token was not given back to the upstream");
            }
        }));
    }

    /// Asks whose token it is; `None` if the upstream refuses.
    ///
    /// # Errors
    /// [`Outage`] when there is no answer.
    pub async fn person(&self, asker: &Asker, client: Option<IpAddr>) -> Result<Option<Person>, Outage> {
        let (upstream, asker) = (self.clone(), asker.clone());
        let asking = self.0.client.spawn(async move {
            let errand = Errand { kind: Kind::Token, asker: &asker, client, now: upstream.now() };
            let reply = upstream.get(errand, Route::User).await?;
            match ask::refusal(&reply)? {
                Some(_) => Ok(None),
                None => wire::person(&reply.json).map(Some),
            }
        });
        asking.await.unwrap_or_else(|_| Err(given_up()))
    }

    async fn send(
        &self,
        route: Route<'static>,
        fields: &[(&'static str, String)],
        client: Option<IpAddr>,
    ) -> Result<Reply, Outage> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.0.metrics.called();
        let errand = Errand { kind: Kind::Token, asker: &Asker::NOBODY, client, now: self.now() };
        self.0.client.post(errand, route, body).await
    }
}

fn own_fields(application: &ApplicationSettings) -> Vec<(&'static str, String)> {
    vec![
        ("client_id", application.id.clone()),
        ("client_secret", application.secret.expose_secret().to_owned()),
    ]
}

fn given_up() -> Outage {
    Outage::new("the question was given up")
}

/// Reads the answer with tokens.
fn read_tokens(json: &Value, now: Timestamp) -> Result<PersonTokens, Outage> {
    let text = |name: &str| json[name].as_str().filter(|text| !text.is_empty()).map(SecretString::from);
    if !json["token_type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
        return Err(Outage::broken("token_type"));
    }
    Ok(PersonTokens {
        access: text("access_token").ok_or_else(|| Outage::broken("access_token"))?,
        refresh: text("refresh_token"),
        expires_at: json["expires_in"].as_u64().and_then(|seconds| now.plus_seconds(seconds)),
        id_token: text("id_token"),
    })
}

impl fmt::Debug for PersonTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonTokens")
    }
}
