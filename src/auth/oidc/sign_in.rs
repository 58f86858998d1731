//! Sign-in at the upstream: a person's browser is sent there and comes back with a code for tokens (`OpenID` Connect's
//! authorization code flow, with PKCE).
//!
//! What ties the two ends together is a secret that only the browser holds: `state`, `nonce` and the verifier are made
//! of it, so no node has to remember anything.

use std::fmt;
use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::IdTokenRefusal;
use super::claims::{Claims, Terms};
use super::fetch::KeyFetcher;
use super::jwt::UnverifiedToken;
use super::key_source::KeySource;
use crate::auth::tokens::{has_random_part, new_token};
use crate::domain::{Error, Result, Sha256Digest, Timestamp};
use crate::settings::{KeySource as KeyLocation, Settings, UpstreamKind};
use crate::upstream::{Asker, Outage, Person, PersonTokens, Place, TokenGrant, Upstream};

/// How long a person may take to sign in at the upstream, in seconds.
pub const FLOW_SECONDS: u64 = 600;

/// The longest lifetime of an ID token, in seconds.
const MAX_LIFETIME_SECONDS: i64 = 86_400;

/// A way to the upstream and back, as the person's browser remembers it.
#[derive(Debug, Clone)]
pub struct Flow {
    secret: SecretString,
    begun: Timestamp,
    /// The page that the person wants.
    pub to: String,
}

impl Flow {
    /// Begins a way that leads to the page `to` at last.
    ///
    /// # Errors
    /// `Internal` if the system has no randomness.
    pub fn begin(to: String, now: Timestamp) -> Result<Self> {
        Ok(Self { secret: new_token("")?.text, begun: now, to })
    }

    /// Reads what the browser remembers; `None` if that is nothing of ours, or older than [`FLOW_SECONDS`].
    pub fn parse(text: &str, now: Timestamp) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let (secret, begun, to) = (parts.next()?, parts.next()?, parts.next()?);
        let begun = Timestamp::from_millis(begun.parse().ok()?);
        let age = now.as_millis().checked_sub(begun.as_millis())?;
        let to = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(to).ok()?).ok()?;
        let is_young = u64::try_from(age).is_ok_and(|age| age < FLOW_SECONDS * 1000);
        (has_random_part(secret) && is_young).then(|| Self { secret: secret.into(), begun, to })
    }

    /// Returns what the browser is to remember, and nobody else.
    pub fn expose(&self) -> String {
        let to = BASE64_URL_SAFE_NO_PAD.encode(&self.to);
        format!("{}.{}.{to}", self.secret.expose_secret(), self.begun.as_millis())
    }

    /// Whether the upstream has handed back this way's `state`.
    pub fn has_state(&self, state: &str) -> bool {
        self.state().as_bytes().ct_eq(state.as_bytes()).into()
    }

    /// Returns the text that the upstream hands back with the code.
    fn state(&self) -> String {
        self.derived("state")
    }

    fn nonce(&self) -> String {
        self.derived("nonce")
    }

    fn verifier(&self) -> SecretString {
        self.derived("verifier").into()
    }

    fn derived(&self, purpose: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.expose_secret().as_bytes());
        let text = format!("{purpose} {} {}", self.begun.as_millis(), self.to);
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes()))
    }
}

/// Signs people in at the upstream.
pub struct SignIn {
    upstream: Upstream,
    issuer: String,
    client_id: String,
    scopes: String,
    keys: KeySource,
}

/// Why nobody is signed in.
#[derive(Debug)]
pub enum SignInError {
    /// The upstream does not accept the code.
    Code,
    /// The ID token is not accepted.
    IdToken(IdTokenRefusal),
    /// The upstream does not tell whose the tokens are.
    Nobody,
    /// The tokens are not those of the person whom the ID token names.
    AnotherPerson,
    /// The upstream does not answer as it should.
    Other(Error),
}

impl SignInError {
    /// Returns the reason, in a few words for the log.
    pub fn reason(&self) -> String {
        match self {
            Self::Code => "the upstream does not accept the code".into(),
            Self::IdToken(why) => why.reason(),
            Self::Nobody => "the upstream does not tell whose the token is".into(),
            Self::AnotherPerson => "token and ID token are of two people".into(),
            Self::Other(error) => error.reason().into_owned(),
        }
    }
}

impl From<Error> for SignInError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl SignIn {
    /// Returns what signs people in at the upstream of the settings; `None` if its application is not named. Nothing is
    /// fetched yet.
    ///
    /// # Errors
    /// `Internal` for certificates that cannot be read.
    pub fn new(settings: &Settings, upstream: Option<&Upstream>) -> Result<Option<Self>> {
        let found = settings.upstreams.iter().find(|upstream| upstream.kind == UpstreamKind::GitLab);
        let named = found.and_then(|found| Some((found, found.application.as_ref()?)));
        let (Some((found, application)), Some(upstream)) = (named, upstream) else { return Ok(None) };
        let location = KeyLocation::Url(format!("{}/oauth/discovery/keys", found.url));
        let fetcher = KeyFetcher::new(found, &application.issuer, &location)
            .map_err(|why| Error::internal(format!("upstream {}: {why}", found.name)))?;
        Ok(Some(Self {
            upstream: upstream.clone(),
            issuer: application.issuer.clone(),
            client_id: application.id.clone(),
            scopes: format!("openid {}", application.scope.as_str()),
            keys: KeySource::new(fetcher),
        }))
    }

    /// Returns the address at the upstream to which the person's browser is sent.
    pub fn address(&self, flow: &Flow, redirect_uri: &str) -> String {
        let challenge = Sha256Digest::of(flow.verifier().expose_secret().as_bytes());
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("response_type", "code")
            .append_pair("scope", &self.scopes)
            .append_pair("state", &flow.state())
            .append_pair("nonce", &flow.nonce())
            .append_pair("code_challenge", &BASE64_URL_SAFE_NO_PAD.encode(challenge.as_bytes()))
            .append_pair("code_challenge_method", "S256")
            .finish();
        format!("{}/oauth/authorize?{query}", self.issuer.trim_end_matches('/'))
    }

    /// Exchanges the code with which the browser came back, and returns who has signed in.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn finish(
        &self,
        flow: &Flow,
        (code, redirect_uri): (SecretString, String),
        client: Option<IpAddr>,
        now: Timestamp,
    ) -> std::result::Result<(Person, PersonTokens), SignInError> {
        let unavailable = |outage: Outage| outage.into_error(self.upstream.name());
        let grant = TokenGrant::Code { code, verifier: flow.verifier(), redirect_uri };
        let tokens = self.upstream.tokens(grant, client).await.map_err(unavailable)?;
        let tokens = tokens.ok_or(SignInError::Code)?;
        let user_id = self.user_of(&tokens, flow, now).await?;
        let asker = Asker::with_token(Place::Bearer, &tokens.access).ok_or(SignInError::Nobody)?;
        let person = self.upstream.person(&asker, client).await.map_err(unavailable)?;
        let person = person.ok_or(SignInError::Nobody)?;
        if person.user_id != user_id {
            return Err(SignInError::AnotherPerson);
        }
        Ok((person, tokens))
    }

    /// Verifies the ID token and returns the number of the user whom it names.
    async fn user_of(
        &self,
        tokens: &PersonTokens,
        flow: &Flow,
        now: Timestamp,
    ) -> std::result::Result<i64, SignInError> {
        let refused = SignInError::IdToken;
        let token = tokens.id_token.as_ref().ok_or(refused(IdTokenRefusal::Claim("id_token")))?;
        let token = UnverifiedToken::parse(token.expose_secret());
        let token = token.map_err(|why| refused(IdTokenRefusal::Malformed(why)))?;
        let key = self.keys.find(&token.key_id, token.algorithm, now).await?;
        let key = key.ok_or(refused(IdTokenRefusal::Key))?;
        if !key.verifies(&token) {
            return Err(refused(IdTokenRefusal::Signature));
        }
        let claims = Claims(&token.claims);
        let terms = Terms {
            issuer: &self.issuer,
            audience: &self.client_id,
            max_lifetime_seconds: MAX_LIFETIME_SECONDS,
            now,
        };
        claims.require(&terms).map_err(refused)?;
        let nonce = claims.text("nonce").map_err(refused)?;
        if !bool::from(nonce.as_bytes().ct_eq(flow.nonce().as_bytes())) {
            return Err(refused(IdTokenRefusal::Claim("nonce")));
        }
        claims.number("sub").map_err(refused)
    }
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignIn at {}", self.issuer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1000)
    }

    #[test]
    fn a_way_is_remembered_for_ten_minutes() {
        let flow = Flow::begin("/group/app?x=1".into(), at(0)).unwrap();
        let text = flow.expose();
        let read = Flow::parse(&text, at(599)).unwrap();
        assert_eq!((read.to.as_str(), read.state()), ("/group/app?x=1", flow.state()));
        assert!(read.has_state(&flow.state()));
        assert!(Flow::parse(&text, at(600)).is_none() && Flow::parse(&text, at(-1)).is_none());
    }

    #[test]
    fn what_leads_elsewhere_or_began_at_another_time_has_another_state() {
        let flow = Flow::begin("/a".into(), at(0)).unwrap();
        let [one, other] = ["/a", "/b"].map(|to| BASE64_URL_SAFE_NO_PAD.encode(to));
        let bent = flow.expose().replace(&one, &other);
        assert!(!Flow::parse(&bent, at(1)).unwrap().has_state(&flow.state()));
        let later = Flow { begun: at(1), ..flow.clone() };
        assert!(!later.has_state(&flow.state()));
        let derived = [flow.state(), flow.nonce(), flow.verifier().expose_secret().to_owned()];
        assert!(derived[0] != derived[1] && derived[1] != derived[2] && derived[0] != derived[2]);
        assert!(derived.iter().all(|text| text.len() == 43), "what a verifier may be at least");
        assert!(!format!("{flow:?}").contains(&flow.expose()[..43]));
    }

    proptest! {
        #[test]
        fn any_text_is_a_way_or_none(text in ".{0,120}") {
            let _ = Flow::parse(&text, at(0));
        }

        #[test]
        fn what_was_begun_is_read_again(to in ".{0,60}") {
            let flow = Flow::begin(to.clone(), at(0)).unwrap();
            prop_assert_eq!(Flow::parse(&flow.expose(), at(1)).unwrap().to, to);
        }
    }
}
