//! People who sign in at the stub: it shows no page, but gives a code as if somebody had agreed there, and tokens for
//! codes, as strictly as a GitLab does.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read};
use std::net::TcpStream;
use std::sync::Mutex;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{State, StubToken, response};
use crate::support::issuers::SigningPair;

pub const ID: &str = "artigate-application";
pub const SECRET: &str = "gloas-s3cret-of-the-application";

/// What the stub knows of the gateway as an application.
pub struct Application {
    /// Signs ID tokens.
    pub pair: SigningPair,
    /// Claims of the next ID token that are not as they should be; `null` takes one away.
    pub bent: Value,
    /// Seconds for which tokens are valid.
    pub expires_in: i64,
    /// The time by its clock, in seconds.
    pub now: i64,
    /// Whether it gives tokens for new ones.
    pub gives_refresh: bool,
    /// Tokens that were given back.
    pub revoked: BTreeSet<String>,
    /// The forms that came, without the secret.
    pub forms: Vec<BTreeMap<String, String>>,
    codes: BTreeMap<String, Code>,
    refresh: BTreeMap<String, (i64, String)>,
    made: usize,
}

struct Code {
    user: i64,
    redirect_uri: String,
    challenge: String,
    nonce: String,
    scope: String,
}

impl Default for Application {
    fn default() -> Self {
        Self {
            pair: SigningPair::ec("application"),
            bent: json!({}),
            expires_in: 7200,
            now: 0,
            gives_refresh: true,
            revoked: BTreeSet::new(),
            forms: Vec::new(),
            codes: BTreeMap::new(),
            refresh: BTreeMap::new(),
            made: 0,
        }
    }
}

/// Reads a query or a form.
pub fn fields(text: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

pub(super) fn is_for_application(first: &str) -> bool {
    first.contains(" /base/oauth/token ")
        || first.contains(" /base/oauth/revoke ")
        || first.contains(" /base/oauth/discovery/keys ")
}

impl State {
    /// Lets a user agree to what the browser was sent there for; returns the query with which it goes back.
    pub fn agree(&mut self, user: i64, location: &str) -> String {
        let (address, query) = location.split_once('?').unwrap();
        assert_eq!(address, format!("{}/oauth/authorize", self.url));
        let asked = fields(query);
        assert_eq!((asked["client_id"].as_str(), asked["response_type"].as_str()), (ID, "code"));
        assert_eq!(asked["code_challenge_method"], "S256");
        assert!(asked["scope"].split(' ').any(|scope| scope == "openid"), "{asked:?}");
        assert!(asked["state"].len() >= 43 && asked["nonce"].len() >= 43, "{asked:?}");
        let application = self.application.get_or_insert_default();
        application.made += 1;
        let code = format!("code-s3cret-{}", application.made);
        application.codes.insert(
            code.clone(),
            Code {
                user,
                redirect_uri: asked["redirect_uri"].clone(),
                challenge: asked["code_challenge"].clone(),
                nonce: asked["nonce"].clone(),
                scope: asked["scope"].clone(),
            },
        );
        form_urlencoded::Serializer::new(String::new())
            .append_pair("code", &code)
            .append_pair("state", &asked["state"])
            .finish()
    }

    /// Answers what an application asks.
    fn of_application(&mut self, first: &str, body: &str) -> (u16, Value) {
        if first.starts_with("GET") {
            let keys = self.application.get_or_insert_default().pair.jwk();
            return (200, json!({ "keys": [keys] }));
        }
        let mut form = fields(body);
        let is_ours = form.get("client_id").map(String::as_str) == Some(ID)
            && form.remove("client_secret").as_deref() == Some(SECRET);
        if !is_ours {
            return (401, json!({"error": "invalid_client"}));
        }
        self.application.get_or_insert_default().forms.push(form.clone());
        if first.contains("/revoke ") {
            let token = form["token"].clone();
            let application = self.application.get_or_insert_default();
            if let Some((_, access)) = application.refresh.remove(&token) {
                self.tokens.remove(&access);
            }
            self.application.get_or_insert_default().revoked.insert(token);
            return (200, json!({}));
        }
        let refused = (400, json!({"error": "invalid_grant"}));
        let application = self.application.get_or_insert_default();
        match form["grant_type"].as_str() {
            "authorization_code" => {
                // A code is of use once.
                let Some(code) = application.codes.remove(&form["code"]) else { return refused };
                let verifier = ring::digest::digest(&ring::digest::SHA256, form["code_verifier"].as_bytes());
                let challenge = BASE64_URL_SAFE_NO_PAD.encode(verifier.as_ref());
                if challenge != code.challenge || form["redirect_uri"] != code.redirect_uri {
                    return refused;
                }
                let id_token = self.id_token(&code);
                (200, self.new_tokens(code.user, &code.scope, Some(id_token)))
            }
            "refresh_token" => {
                let Some((user, access)) = application.refresh.remove(&form["refresh_token"]) else {
                    return refused;
                };
                self.tokens.remove(&access);
                (200, self.new_tokens(user, "api", None))
            }
            _ => refused,
        }
    }

    fn id_token(&mut self, code: &Code) -> String {
        let issuer = self.url.clone();
        let application = self.application.get_or_insert_default();
        let now = application.now;
        let mut claims = json!({
            "iss": issuer, "sub": code.user.to_string(), "aud": ID, "exp": now + 120, "iat": now,
            "auth_time": now, "nonce": code.nonce,
        });
        for (name, value) in application.bent.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        application.pair.token(&claims)
    }

    fn new_tokens(&mut self, user: i64, scope: &str, id_token: Option<String>) -> Value {
        let application = self.application.get_or_insert_default();
        application.made += 1;
        let made = application.made;
        let (access, refresh) =
            (format!("oauth-s3cret-access-{made}"), format!("oauth-s3cret-refresh-{made}"));
        let mut answer = json!({
            "access_token": access, "token_type": "Bearer", "expires_in": application.expires_in,
            "scope": scope,
        });
        if application.gives_refresh {
            answer["refresh_token"] = refresh.clone().into();
            application.refresh.insert(refresh, (user, access.clone()));
        }
        if let Some(id_token) = id_token {
            answer["id_token"] = id_token.into();
        }
        let writes = scope.split(' ').any(|scope| scope == "api");
        let scopes: &'static [&'static str] =
            if writes { &["openid", "api"] } else { &["openid", "read_api"] };
        self.tokens.insert(access, StubToken::OAuth { user, scopes });
        answer
    }

    /// Takes all tokens away that applications have, as an administrator does.
    pub fn revoke_all(&mut self) {
        self.tokens.retain(|_, token| !matches!(token, StubToken::OAuth { .. }));
        self.application.get_or_insert_default().refresh.clear();
    }
}

/// Answers a request of an application; `None` if the connection ends with it.
pub(super) fn serve(
    first: &str,
    headers: &[(String, String)],
    reading: &mut BufReader<TcpStream>,
    state: &Mutex<State>,
) -> Option<Vec<u8>> {
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or("0", |(_, value)| value);
    let mut body = vec![0; length.parse().unwrap()];
    reading.read_exact(&mut body).ok()?;
    let mut state = state.lock().unwrap();
    if headers.iter().any(|(name, _)| matches!(name.as_str(), "authorization" | "private-token" | "cookie")) {
        state.strange.push(format!("{first} {headers:?}"));
    }
    if let Some(failure) = state.failure.clone() {
        return failure.answer();
    }
    let (status, json) = state.of_application(first, std::str::from_utf8(&body).unwrap());
    Some(response(status, "application/json", "Cache-Control: no-store\r\n", &json.to_string()))
}
