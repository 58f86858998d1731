//! Exposition: writes all metrics as text, in `OpenMetrics` or the older form of Prometheus.

use std::collections::HashSet;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use super::series::Labels;
use super::{Part, process};

/// The form of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// The text format 0.0.4 of Prometheus.
    Text,
}

impl Form {
    /// Returns the form that an `Accept` header asks for.
    pub fn accepted(accept: Option<&str>) -> Self {
        let wants = accept.is_some_and(|accept| accept.contains("application/openmetrics-text"));
        if wants { Self::OpenMetrics } else { Self::Text }
    }

    /// Returns the `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// All metrics of a node.
#[derive(Debug)]
pub struct Exposition(Registry);

/// Reads the present value of a gauge for each value of its label; without a label for `""`.
type Read = Box<dyn Fn() -> Vec<(&'static str, f64)> + Send + Sync>;

impl Exposition {
    /// Begins with what is known of the process, and of the program and its settings: names and values of
    /// labels.
    pub fn new<const N: usize>(build: Labels<N>) -> Self {
        let mut registry = Registry::default();
        let info: Family<Labels<N>, Gauge> = Family::default();
        info.get_or_create(&build).set(1);
        registry.register("artigate_build_info", "The program and what it works on", info);
        registry.register_collector(Box::new(Process));
        Self(registry)
    }

    /// Adds the metrics of a part.
    #[must_use]
    pub fn with(mut self, part: &impl Part) -> Self {
        part.register(&mut self.0);
        self
    }

    /// Adds a gauge that is read at each scrape, for each value of `label`; it must be cheap to read.
    #[must_use]
    pub fn reading(
        mut self,
        name: &'static str,
        help: &'static str,
        label: Option<&'static str>,
        read: impl Fn() -> Vec<(&'static str, f64)> + Send + Sync + 'static,
    ) -> Self {
        self.0.register_collector(Box::new(Reading { name, help, label, read: Box::new(read) }));
        self
    }

    /// Writes all of them.
    pub fn text(&self, form: Form) -> String {
        let mut text = String::with_capacity(64 * 1024);
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.0);
        match form {
            Form::OpenMetrics => text,
            Form::Text => as_older(&text),
        }
    }
}

/// Returns the text in the older form, where a counter is described under its name with `_total`.
fn as_older(text: &str) -> String {
    let counter = |line: &'_ str| {
        line.strip_prefix("# TYPE ").and_then(|rest| rest.strip_suffix(" counter")).map(str::to_owned)
    };
    let counters: HashSet<String> = text.lines().filter_map(counter).collect();
    let mut older = String::with_capacity(text.len());
    for line in text.lines() {
        let described = ["# HELP ", "# TYPE "].into_iter().find_map(|begin| {
            let (name, rest) = line.strip_prefix(begin)?.split_once(' ')?;
            counters.contains(name).then_some((begin, name, rest))
        });
        match described {
            Some((begin, name, rest)) => older.extend([begin, name, "_total ", rest, "\n"]),
            None if line == "# EOF" || line.starts_with("# UNIT ") => {}
            None => older.extend([line, "\n"]),
        }
    }
    older
}

/// Metrics of the process.
#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, value) in process::gauges() {
            let Some(value) = value else { continue };
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(
                name,
                &format!("{help}."),
                None,
                gauge.metric_type(),
            )?)?;
        }
        let Some(seconds) = process::cpu_seconds() else { return Ok(()) };
        let counter = ConstCounter::new(seconds);
        let (name, help) = ("process_cpu_seconds", "Processor time in user and system mode");
        counter.encode(encoder.encode_descriptor(name, &format!("{help}."), None, counter.metric_type())?)
    }
}

/// A gauge that is read at each scrape.
struct Reading {
    name: &'static str,
    help: &'static str,
    label: Option<&'static str>,
    read: Read,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Collector for Reading {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let metric_type = ConstGauge::new(0.0).metric_type();
        let mut encoder =
            encoder.encode_descriptor(self.name, &format!("{}.", self.help), None, metric_type)?;
        for (value, reading) in (self.read)() {
            let gauge = ConstGauge::new(reading);
            match self.label {
                Some(label) => gauge.encode(encoder.encode_family(&[(label, value)])?)?,
                None => return gauge.encode(encoder),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_hold_the_same_samples() {
        let exposition = Exposition::new([("version", "1")])
            .with(&super::super::AuthFailures::default())
            .reading("artigate_things", "Things", Some("kind"), || vec![("a", 1.0), ("b", 2.5)]);
        let (open, older) = (exposition.text(Form::OpenMetrics), exposition.text(Form::Text));
        for line in ["artigate_build_info{version=\"1\"} 1", "artigate_things{kind=\"b\"} 2.5"] {
            assert!(open.contains(line) && older.contains(line), "{open}");
        }
        assert!(open.contains("# TYPE artigate_auth_failures counter\n") && open.ends_with("# EOF\n"));
        assert!(older.contains("# TYPE artigate_auth_failures_total counter\n") && !older.contains("# EOF"));
        assert!(older.contains("# HELP artigate_auth_failures_total Refused credentials.\n"));
        assert!(older.contains("# HELP artigate_things Things.\n"));
        assert!(older.contains("artigate_auth_failures_total{reason=\"limited\"} 0\n"));
    }

    #[test]
    fn open_metrics_is_for_who_asks_for_it() {
        assert_eq!(Form::accepted(None), Form::Text);
        assert_eq!(Form::accepted(Some("*/*")), Form::Text);
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2";
        assert_eq!(Form::accepted(Some(prometheus)), Form::OpenMetrics);
    }
}
