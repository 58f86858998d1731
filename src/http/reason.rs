//! Reason of a refusal: a few exact words that travel with the response to the request's log line.
//!
//! Clients get their vendor's message, which is often the same for ten reasons; operators read the actual
//! one. A reason never holds a credential.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::dev::ServiceResponse;

/// Longest reason, in characters: it may repeat the client's input.
const MAX_CHARACTERS: usize = 300;

/// The reason of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(Cow<'static, str>);

impl Reason {
    /// Makes a reason, cut to 300 characters.
    pub fn new(words: impl Into<Cow<'static, str>>) -> Self {
        let words = words.into();
        match words.char_indices().nth(MAX_CHARACTERS) {
            None => Self(words),
            Some((end, _)) => Self(format!("{}…", &words[..end]).into()),
        }
    }

    /// Returns the words.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Attaches the reason to a response, if that is a refusal (a status from 400 to 499).
    pub fn attach(self, answer: &mut HttpResponse) {
        if answer.status().is_client_error() {
            answer.extensions_mut().insert(self);
        }
    }

    /// Appends a few words to the reason of a response, if it has one.
    pub fn extend(answer: &mut HttpResponse, more: &str) {
        let reason = answer.extensions_mut().remove::<Self>();
        if let Some(Self(words)) = reason {
            Self::new(format!("{words}; {more}")).attach(answer);
        }
    }

    /// Returns the reason of a response.
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
