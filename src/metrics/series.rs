//! Series: handles of metrics with labels whose values are known when the program is written.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Names and values of labels.
pub(super) type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Upper bounds of durations on the local machine, in seconds.
pub(super) const SHORT: [f64; 11] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// A metric for each value of one label.
#[derive(Debug, Clone)]
pub(super) struct Each<M, const N: usize> {
    family: Family<Labels<1>, M>,
    each: [M; N],
}

impl<M: Clone, const N: usize> Each<M, N> {
    /// Creates them for a label and its values.
    pub(super) fn new(label: &'static str, values: [&'static str; N], create: fn() -> M) -> Self {
        let family = Family::new_with_constructor(create);
        let each = values.map(|value| M::clone(&family.get_or_create(&[(label, value)])));
        Self { family, each }
    }

    /// Returns the metric of the value at this place.
    pub(super) fn at(&self, place: usize) -> &M {
        &self.each[place]
    }
}

impl<M, const N: usize> Each<M, N>
where
    M: EncodeMetric + TypedMetric + Clone + std::fmt::Debug + Send + Sync + 'static,
{
    pub(super) fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.family.clone());
    }
}

/// Creates a histogram of [`SHORT`] durations.
pub(super) fn short_histogram() -> Histogram {
    Histogram::new(SHORT)
}

/// A metric for each set of labels that occurs, up to a most; all further sets share one.
#[derive(Debug, Clone)]
pub(super) struct Bounded<S, M> {
    family: Family<S, M>,
    others: S,
    left: Arc<AtomicUsize>,
}

impl<S: Clone + Hash + Eq, M> Bounded<S, M> {
    /// Creates none yet. The labels that come after `most` sets count as `others`.
    pub(super) fn new(most: usize, others: S, create: fn() -> M) -> Self {
        let family = Family::new_with_constructor(create);
        Self { family, others, left: Arc::new(AtomicUsize::new(most)) }
    }

    /// Works on the metric of these labels.
    pub(super) fn with(&self, labels: &S, work: impl FnOnce(&M)) {
        if let Some(metric) = self.family.get(labels) {
            return work(&metric);
        }
        let is_one_left =
            self.left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        let labels = if is_one_left.is_ok() { labels } else { &self.others };
        work(&self.family.get_or_create(labels));
    }
}

impl<S, M> Bounded<S, M>
where
    S: EncodeLabelSet + Clone + Hash + Eq + std::fmt::Debug + Send + Sync + 'static,
    M: EncodeMetric + TypedMetric + std::fmt::Debug + Send + Sync + 'static,
{
    pub(super) fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.family.clone());
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[test]
    fn sets_of_labels_beyond_the_most_share_one() {
        let counters: Bounded<Labels<1>, Counter> = Bounded::new(2, [("name", "other")], Counter::default);
        for name in ["a", "b", "c", "a", "d", "c"] {
            counters.with(&[("name", name)], |counter| {
                counter.inc();
            });
        }
        let count = |name| counters.family.get(&[("name", name)]).map(|counter| counter.get());
        assert_eq!(["a", "b", "c", "other"].map(count), [Some(2), Some(1), None, Some(3)]);
    }
}
