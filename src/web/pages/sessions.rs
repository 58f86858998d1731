//! Page of a person's own sessions, each of which can be ended.

use actix_web::HttpResponse;
use actix_web::http::header::SET_COOKIE;
use askama::Template;

use crate::catalog::sessions::SessionDetails;
use crate::http::cookies::SESSION;
use crate::web::error::PageError;
use crate::web::layout::{Layout, page};
use crate::web::visit::Visit;
use crate::web::words::Moment;

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage {
    layout: Layout,
    /// What was done just now.
    done: Option<&'static str>,
    rows: Vec<Row>,
    /// The form that ends all sessions is sent there.
    end_all: String,
}

struct Row {
    /// What the session stands for.
    name: String,
    begun: Moment,
    seen: Moment,
    /// Whether it is the one of this browser.
    is_own: bool,
    /// The form that ends it is sent there.
    end: String,
}

/// `GET /-/sessions`
pub(in crate::web) async fn show(visit: &Visit<'_>) -> Result<HttpResponse, PageError> {
    let session = visit.ctx.session.get().ok_or(PageError::SignInWanted)?;
    let found = visit.access().sessions_of(session, visit.now()).await?;
    let end = |what: &str| format!("{}/-/sessions/end?{what}", visit.root);
    let row = |found: SessionDetails| Row {
        name: match found.token_name {
            Some(name) if name.is_empty() => "a token without a name".to_owned(),
            Some(name) => format!("token {name}"),
            None => "GitLab".to_owned(),
        },
        begun: Moment::new(found.created_at, visit.now()),
        seen: Moment::new(found.seen_at, visit.now()),
        is_own: found.id == session.id,
        end: end(&format!("id={}", found.id)),
    };
    let template = SessionsPage {
        layout: visit.layout("Sessions", Vec::new()),
        done: visit.query("done").filter(|word| *word == "ended").map(|_| "The session was ended."),
        rows: found.into_iter().map(row).collect(),
        end_all: end("all=1"),
    };
    page(visit, &template)
}

/// `POST /-/sessions/end?id=ID`, `POST /-/sessions/end?all=1`
pub(in crate::web) async fn end(visit: &Visit<'_>) -> Result<HttpResponse, PageError> {
    let session = visit.ctx.session.get().ok_or(PageError::SignInWanted)?;
    let id = match visit.query("all") {
        Some(_) => None,
        None => Some(visit.query("id").and_then(|text| text.parse().ok()).ok_or(PageError::NoPage)?),
    };
    let subject = id.map_or_else(|| "all sessions".to_owned(), |id| format!("session {id}"));
    visit.ctx.audit.update(|event| event.subject = Some(subject));
    if id == Some(session.id) {
        visit.access().end_session(session).await?;
    } else if visit.access().end_sessions(session, id).await? == 0 {
        return Err(PageError::NoPage);
    }
    if id.is_none_or(|id| id == session.id) {
        let mut answer = visit.see_other(&format!("{}/", visit.root))?;
        answer.headers_mut().append(SET_COOKIE, SESSION.clear(&visit.ctx.base_url()));
        return Ok(answer);
    }
    visit.see_other(&format!("{}/-/sessions?done=ended#status", visit.root))
}
