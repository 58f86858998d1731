//! Why a request is refused: a few exact words that travel with the answer to the request's line in the log.
//!
//! Clients are told what their vendor tells them, which is often one word for ten reasons. Whoever keeps the
//! server reads the one that it was. A reason never holds a credential.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::dev::ServiceResponse;

/// The longest reason, in characters: it may repeat what was sent.
const MAX_CHARACTERS: usize = 300;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(Cow<'static, str>);

impl Reason {
    /// The words, cut to 300 characters.
    pub fn new(words: impl Into<Cow<'static, str>>) -> Self {
        let words = words.into();
        match words.char_indices().nth(MAX_CHARACTERS) {
            None => Self(words),
            Some((end, _)) => Self(format!("{}…", &words[..end]).into()),
        }
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives it to an answer, when that is a refusal (a status from 400 to 499).
    pub fn attach(self, answer: &mut HttpResponse) {
        if answer.status().is_client_error() {
            answer.extensions_mut().insert(self);
        }
    }

    /// Adds a few words to the reason that an answer has.
    pub fn extend(answer: &mut HttpResponse, more: &str) {
        let reason = answer.extensions_mut().remove::<Self>();
        if let Some(Self(words)) = reason {
            Self::new(format!("{words}; {more}")).attach(answer);
        }
    }

    /// That of an answer.
    pub fn of<B>(answer: &ServiceResponse<B>) -> Option<Self> {
        answer.response().extensions().get::<Self>().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_has_a_reason() {
        let reason = |mut answer: HttpResponse| {
            Reason::new("because").attach(&mut answer);
            answer.extensions().get::<Reason>().cloned()
        };
        assert_eq!(reason(HttpResponse::NotFound().finish()), Some(Reason::new("because")));
        assert_eq!(reason(HttpResponse::Ok().finish()), None);
        assert_eq!(reason(HttpResponse::InternalServerError().finish()), None);
    }

    #[test]
    fn a_reason_is_extended_where_there_is_one() {
        let mut answer = HttpResponse::NotFound().finish();
        Reason::extend(&mut answer, "and so on");
        assert_eq!(answer.extensions().get::<Reason>(), None);
        Reason::new("because").attach(&mut answer);
        Reason::extend(&mut answer, "and so on");
        assert_eq!(answer.extensions().get::<Reason>(), Some(&Reason::new("because; and so on")));
    }

    #[test]
    fn a_reason_is_short() {
        assert_eq!(Reason::new("ü".repeat(300)).as_str(), "ü".repeat(300));
        assert_eq!(Reason::new("ü".repeat(301)).as_str(), format!("{}…", "ü".repeat(300)));
    }
}
