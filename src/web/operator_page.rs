//! Pages for operators of the server: their addresses, and how they are asked for.

use actix_web::http::Method;

/// A page for operators of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OperatorPage {
    /// What is stored, and what will be deleted.
    Operate,
    /// The form that begins a sweep.
    Sweep,
}

impl OperatorPage {
    /// Reads a path; `None` if it is none of these pages.
    pub(super) fn parse(path: &str) -> Option<Self> {
        Some(match path {
            "/-/operate" => Self::Operate,
            "/-/operate/sweep" => Self::Sweep,
            _ => return None,
        })
    }

    /// Whether the page is there for a method.
    pub(super) fn takes(self, method: &Method) -> bool {
        match self {
            Self::Operate => matches!(*method, Method::GET | Method::HEAD),
            Self::Sweep => *method == Method::POST,
        }
    }

    /// Returns the template of the address, for the metrics.
    pub(super) const fn template(self) -> &'static str {
        match self {
            Self::Operate => "/-/operate",
            Self::Sweep => "/-/operate/sweep",
        }
    }

    /// Returns the audit log's name for what a request does.
    pub(super) const fn action(self) -> &'static str {
        match self {
            Self::Operate => "storage.read",
            Self::Sweep => "sweep.create",
        }
    }
}
