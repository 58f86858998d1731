//! Pages about being signed in: their addresses, and how they are asked for.

use actix_web::http::Method;

/// A page about being signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PersonPage {
    SignIn,
    SignOut,
    /// The sessions of a person.
    Sessions,
    EndSession,
    /// The way to sign in at the upstream.
    ToUpstream,
    /// The way back from there.
    FromUpstream,
}

impl PersonPage {
    /// Reads a path; `None` if it is none of these pages.
    pub(super) fn parse(path: &str) -> Option<Self> {
        Some(match path {
            "/-/sign_in" => Self::SignIn,
            "/-/sign_out" => Self::SignOut,
            "/-/sessions" => Self::Sessions,
            "/-/sessions/end" => Self::EndSession,
            "/-/auth/oidc" => Self::ToUpstream,
            "/-/auth/oidc/callback" => Self::FromUpstream,
            _ => return None,
        })
    }

    /// Whether the page is there for a method.
    pub(super) fn takes(self, method: &Method) -> bool {
        match self {
            Self::SignIn => matches!(*method, Method::GET | Method::HEAD | Method::POST),
            Self::Sessions => matches!(*method, Method::GET | Method::HEAD),
            Self::SignOut | Self::EndSession => *method == Method::POST,
            // A look without a body would use up what leads back.
            Self::ToUpstream | Self::FromUpstream => *method == Method::GET,
        }
    }

    /// Returns the template of the address, for the metrics.
    pub(super) const fn template(self) -> &'static str {
        match self {
            Self::SignIn => "/-/sign_in",
            Self::SignOut => "/-/sign_out",
            Self::Sessions => "/-/sessions",
            Self::EndSession => "/-/sessions/end",
            Self::ToUpstream => "/-/auth/oidc",
            Self::FromUpstream => "/-/auth/oidc/callback",
        }
    }

    /// Returns the audit log's name for what a request does.
    pub(super) const fn action(self) -> &'static str {
        match self {
            Self::SignIn | Self::ToUpstream | Self::FromUpstream => "session.create",
            Self::Sessions => "session.list",
            Self::SignOut | Self::EndSession => "session.delete",
        }
    }
}
