//! Pages for people, in HTML, at GitLab's own addresses: what a `web_url` leads to.
//!
//! A page is sent only to a browser that navigates; every other request for the same address is answered by the
//! dialects, as if there were no pages. No page needs a script, and none of what a job made is ever sent in a form that a
//! browser would run.

mod address;
mod assets;
mod credentials;
mod error;
mod error_pages;
mod headers;
mod layout;
mod navigation;
mod operator_page;
mod pages;
mod person_page;
mod project_page;
mod report;
mod return_address;
mod routes;
mod text;
mod visit;
mod words;

use actix_web::guard::GuardContext;
use actix_web::http::Method;
use actix_web::web::{Data, Payload, ServiceConfig, scope, to};
use actix_web::{HttpRequest, HttpResponse};

use crate::app::App;
use crate::http::body::RequestBody;
use crate::http::context::RequestContext;
use crate::http::handler;
use crate::http::measured::Measured;
use crate::http::session::{self, Visitor};
use error::PageError;
pub use error_pages::error_pages;
use operator_page::OperatorPage;
use person_page::PersonPage;
use project_page::ProjectPage;
use routes::Route;
use visit::Visit;

/// Mounts the style sheet, reports and, for browsers, the pages. Comes before the dialects, which get everything else.
pub fn mount(config: &mut ServiceConfig) {
    assets::mount(config);
    report::mount(config);
    config.service(scope("").guard(is_for_pages).default_service(to(answer)));
}

/// Whether a page answers a request.
fn is_for_pages(context: &GuardContext<'_>) -> bool {
    let head = context.head();
    // Clients of the API are told apart by two headers, before anything is parsed.
    let navigates = navigation::is_navigation(head.headers());
    if !navigates && !head.uri.path().ends_with(".svg") {
        return false;
    }
    let Some(route) = Route::parse(head.uri.path()).filter(|_| !navigation::is_of_api_host(head)) else {
        return false;
    };
    match (&head.method, &route) {
        (&Method::GET | &Method::HEAD, Route::OfProject { page: ProjectPage::Badge { .. }, .. }) => true,
        (&Method::GET | &Method::HEAD, Route::OfProject { page, .. }) if page.has_bytes() => {
            navigates && !session::carries_token(head.headers(), head.uri.query().unwrap_or_default())
        }
        (&Method::GET | &Method::HEAD, Route::OfProject { page, .. }) => navigates && !page.is_change_only(),
        (method, Route::OfPerson(page)) => navigates && page.takes(method),
        (method, Route::OfOperator(page)) => navigates && page.takes(method),
        (&Method::GET | &Method::HEAD, _) => navigates,
        (&Method::POST, Route::OfProject { page, .. }) => navigates && page.is_change(),
        _ => false,
    }
}

async fn answer(app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    handler::answer(app, request, payload, dispatch, error::refuse).await
}

async fn dispatch(ctx: &RequestContext, body: RequestBody) -> Result<HttpResponse, PageError> {
    let is_change = ctx.request.method() == Method::POST;
    let Some(route) = Route::parse(ctx.request.uri().path()) else { return Err(PageError::NoPage) };
    if let Some(measured) = Measured::of(&ctx.request) {
        measured.is_page(route.template());
    }
    ctx.audit.start(route.action(is_change));
    if is_change {
        navigation::require_own_page(ctx)?;
    }
    let visitor = session::admit(ctx).await?;
    if matches!(visitor, Visitor::SignedOut) && !route.is_for_everybody() {
        return Err(PageError::SessionEnded);
    }
    let visit = Visit::of(ctx);
    let answer = of_route(&visit, route, is_change, body).await;
    match (visitor, answer) {
        (Visitor::Person(session), Err(error)) if session.is_foreign() && error.is_refused_token() => {
            session::end(ctx, &session).await?;
            Err(PageError::SessionEnded)
        }
        (_, answer) => answer,
    }
}

async fn of_route(
    visit: &Visit<'_>,
    route: Route,
    is_change: bool,
    body: RequestBody,
) -> Result<HttpResponse, PageError> {
    match route {
        Route::Home => pages::home::show(visit).await,
        Route::Named(path) => pages::named::show(visit, path).await,
        Route::Groups(path) => visit.redirect(&visit.address(&path)),
        Route::OfProject { project, page } => of_project(visit, &project, page, is_change).await,
        Route::OfOperator(OperatorPage::Operate) => pages::operate::show(visit).await,
        Route::OfOperator(OperatorPage::Sweep) => pages::operate::sweep(visit).await,
        Route::OfPerson(page) => match page {
            PersonPage::SignIn if is_change => pages::sign_in::receive(visit, body).await,
            PersonPage::SignIn => pages::sign_in::show(visit).await,
            PersonPage::SignOut => pages::sign_in::sign_out(visit).await,
            PersonPage::Sessions => pages::sessions::show(visit).await,
            PersonPage::EndSession => pages::sessions::end(visit).await,
            PersonPage::ToUpstream => pages::upstream::begin(visit).await,
            PersonPage::FromUpstream => pages::upstream::finish(visit).await,
        },
    }
}

async fn of_project(
    visit: &Visit<'_>,
    project: &str,
    page: ProjectPage,
    is_change: bool,
) -> Result<HttpResponse, PageError> {
    match page {
        ProjectPage::Pipelines => pages::pipelines::show(visit, project).await,
        ProjectPage::Pipeline(id) => pages::pipeline::show(visit, project, id).await,
        ProjectPage::Refs(kind) => pages::refs::show(visit, project, kind).await,
        ProjectPage::Job(id) => pages::job::show(visit, project, id).await,
        ProjectPage::Commit(sha) => pages::pipelines::of_filter(visit, project, "sha", &sha),
        ProjectPage::Tree(name) => pages::pipelines::of_filter(visit, project, "ref", &name),
        ProjectPage::Browse { job_id, path } => pages::browse::show(visit, project, job_id, &path).await,
        ProjectPage::View { job_id, path } => pages::view::show(visit, project, job_id, &path).await,
        ProjectPage::Report { job_id, path } => {
            pages::report::show(visit, project, job_id, &path, is_change).await
        }
        // GitLab, too, sends a browser from the one to the other.
        ProjectPage::File { job_id, path } => {
            let path = String::from_utf8_lossy(&path);
            visit.redirect(&visit.project(project).archive(job_id).view(&path))
        }
        ProjectPage::Get { job_id, artifact_id, path } => {
            pages::bytes::show(visit, project, job_id, artifact_id, &path).await
        }
        ProjectPage::Compare { job_id, other } => pages::compare::show(visit, project, job_id, other).await,
        ProjectPage::CompareFile { job_id, other, path } => {
            pages::compare::show_file(visit, project, (job_id, other), &path).await
        }
        ProjectPage::Artifacts => match visit.query("file") {
            Some(text) => pages::file_search::show(visit, project, text).await,
            None => pages::artifacts::show(visit, project).await,
        },
        ProjectPage::Keep(job_id) => pages::change::keep(visit, project, job_id).await,
        ProjectPage::Delete(job_id) if is_change => pages::change::delete(visit, project, job_id).await,
        ProjectPage::Delete(job_id) => pages::change::confirm(visit, project, job_id).await,
        ProjectPage::DeleteArtifacts if is_change => pages::change::delete_some(visit, project).await,
        ProjectPage::DeleteArtifacts => pages::change::confirm_some(visit, project).await,
        ProjectPage::ByRef(candidates) => pages::by_ref::show(visit, project, candidates).await,
        ProjectPage::Badge { ref_name, kind } => pages::badge::show(visit, project, ref_name, kind).await,
    }
}
