//! Measured request: what the metrics know of a request in progress, shared by its handler and its response.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::HttpMessage;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::web::Data;

use crate::app::App;
use crate::metrics::{Http, Received, Sent, Working};

/// The route of requests that no dialect knows.
pub const UNMATCHED: &str = "unmatched";

/// Routes of no dialect.
const HEALTH: [&str; 3] = ["/-/health", "/-/liveness", "/-/readiness"];

/// A request in progress, until its response was sent and this is dropped.
#[derive(Debug)]
pub struct Measured {
    began: Instant,
    route: Cell<&'static str>,
    working: Cell<Working>,
    sent: Cell<Sent>,
    metrics: Http,
}

impl Measured {
    /// Begins to measure a request.
    pub(super) fn begin(request: &ServiceRequest) -> Option<Rc<Self>> {
        let metrics = request.app_data::<Data<App>>()?.metrics.http.clone();
        metrics.begin(Working::Api);
        let route = HEALTH.into_iter().find(|path| *path == request.path());
        let measured = Rc::new(Self {
            began: Instant::now(),
            route: Cell::new(route.unwrap_or(UNMATCHED)),
            working: Cell::new(Working::Api),
            sent: Cell::new(Sent::Api),
            metrics,
        });
        request.extensions_mut().insert(Rc::clone(&measured));
        Some(measured)
    }

    /// Returns the measure of a request.
    pub fn of(request: &impl HttpMessage) -> Option<Rc<Self>> {
        request.extensions().get::<Rc<Self>>().cloned()
    }

    /// Returns the measure of the request of a response.
    pub fn of_response<B>(response: &ServiceResponse<B>) -> Option<Rc<Self>> {
        Self::of(response.request())
    }

    /// Notes the template of the route that the request has.
    pub fn has_route(&self, template: &'static str) {
        self.route.set(template);
    }

    /// Notes that the response is a page for people, or belongs to one.
    pub fn is_page(&self, template: &'static str) {
        self.has_route(template);
        self.sent.set(Sent::Page);
        self.works(Working::Page);
    }

    /// Notes that the request sends bytes of an artifact.
    pub fn is_upload(&self) {
        self.works(Working::Upload);
    }

    /// Notes that the response has bytes of an artifact.
    pub fn is_download(&self, kind: Sent) {
        self.sent.set(kind);
        self.works(Working::Download);
    }

    /// Returns the time since the request began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Counts the response, whose head is about to be sent.
    pub(super) fn answered(&self, method: &str, code: u16) {
        self.metrics.answered(self.route.get(), method, code, self.elapsed());
    }

    /// Counts bytes of the response's body that were sent.
    pub fn sent(&self, bytes: u64) {
        self.metrics.sent(self.sent.get(), bytes);
    }

    /// Counts bytes of the request's body that were received.
    pub fn received(&self, bytes: u64) {
        let is_upload = self.working.get() == Working::Upload;
        self.metrics.received(if is_upload { Received::Upload } else { Received::Api }, bytes);
    }

    fn works(&self, kind: Working) {
        self.metrics.begin(kind);
        self.metrics.end(self.working.replace(kind));
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.metrics.end(self.working.get());
    }
}
