//! Metrics of requests.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::Part;
use super::series::{Bounded, Each, Labels};

/// Upper bounds of the time to the first byte, in seconds.
const TIMES: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0];

/// Most combinations of route, method and code. Clients of one vendor use a few dozen.
const MOST_CODES: usize = 500;

/// Most combinations of route and method that are measured; each has a series for each bound.
const MOST_TIMES: usize = 64;

/// The value of a label that is none of the others.
const OTHER: &str = "other";

/// The kind of a request in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Working {
    /// None of the others.
    Api,
    /// A page for people.
    Page,
    /// Bytes of an artifact are received.
    Upload,
    /// Bytes of an artifact are sent.
    Download,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// None of the others.
    Api,
    /// A page for people, with its style sheet.
    Page,
    /// An artifact as it was uploaded.
    Archive,
    /// One file of an archive.
    Entry,
    /// A folder of an archive, or the single files of a job.
    Folder,
}

/// What is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// Anything but the other.
    Api,
    /// Bytes of an artifact, in whatever form they are wrapped.
    Upload,
}

/// The metrics of a node's requests; clones share them.
#[derive(Debug, Clone)]
pub struct Http(Arc<Requests>);

#[derive(Debug)]
struct Requests {
    codes: Bounded<Labels<3>, Counter>,
    times: Bounded<Labels<2>, Histogram>,
    in_flight: Each<Gauge, 4>,
    sent: Each<Counter, 5>,
    received: Each<Counter, 2>,
}

impl Default for Http {
    fn default() -> Self {
        let others = [("route", OTHER), ("method", OTHER)];
        let codes = [others[0], others[1], ("code", OTHER)];
        Self(Arc::new(Requests {
            codes: Bounded::new(MOST_CODES, codes, Counter::default),
            times: Bounded::new(MOST_TIMES, others, || Histogram::new(TIMES)),
            in_flight: Each::new("kind", ["api", "page", "upload", "download"], Gauge::default),
            sent: Each::new("kind", ["api", "page", "archive", "entry", "folder"], Counter::default),
            received: Each::new("kind", ["api", "upload"], Counter::default),
        }))
    }
}

impl Http {
    /// Counts a response whose head is about to be sent. `route` is a template, never a path.
    pub fn answered(&self, route: &'static str, method: &str, code: u16, took: Duration) {
        let (route, method) = (("route", route), ("method", known_method(method)));
        self.0.codes.with(&[route, method, ("code", known_code(code))], |counter| {
            counter.inc();
        });
        self.0.times.with(&[route, method], |histogram| histogram.observe(took.as_secs_f64()));
    }

    /// Counts a request as in progress.
    pub fn begin(&self, kind: Working) {
        self.0.in_flight.at(kind as usize).inc();
    }

    /// Counts a request as no longer in progress.
    pub fn end(&self, kind: Working) {
        self.0.in_flight.at(kind as usize).dec();
    }

    /// Counts bytes of a response's body.
    pub fn sent(&self, kind: Sent, bytes: u64) {
        self.0.sent.at(kind as usize).inc_by(bytes);
    }

    /// Counts bytes of a request's body.
    pub fn received(&self, kind: Received, bytes: u64) {
        self.0.received.at(kind as usize).inc_by(bytes);
    }
}

impl Part for Http {
    fn register(&self, registry: &mut Registry) {
        let Requests { codes, times, in_flight, sent, received } = &*self.0;
        codes.register(registry, "artigate_http_requests", "Responses by route, method and status code");
        let help = "Time from the head of a request to the first byte of its response";
        times.register(registry, "artigate_http_request_duration_seconds", help);
        in_flight.register(registry, "artigate_http_requests_in_flight", "Requests in progress");
        sent.register(registry, "artigate_sent_bytes", "Bytes of response bodies");
        received.register(registry, "artigate_received_bytes", "Bytes of request bodies");
    }
}

/// Returns the text of a method; clients may send any word.
fn known_method(method: &str) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known.into_iter().find(|known| *known == method).unwrap_or(OTHER)
}

/// Returns the text of a status code that the server uses.
fn known_code(code: u16) -> &'static str {
    match code {
        200 => "200",
        201 => "201",
        202 => "202",
        204 => "204",
        206 => "206",
        301 => "301",
        302 => "302",
        303 => "303",
        304 => "304",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        408 => "408",
        409 => "409",
        410 => "410",
        411 => "411",
        412 => "412",
        413 => "413",
        414 => "414",
        415 => "415",
        416 => "416",
        422 => "422",
        429 => "429",
        431 => "431",
        500 => "500",
        501 => "501",
        503 => "503",
        507 => "507",
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_of_a_client_becomes_a_label() {
        assert_eq!(["GET", "get", "BREW"].map(known_method), ["GET", "other", "other"]);
        for code in 100..600 {
            assert!([code.to_string().as_str(), OTHER].contains(&known_code(code)));
        }
    }
}
