//! Alarm: a deadline that is postponed with each request and rarely reached.
//!
//! Its timer is set when it is first polled, and again only when it fires too early: nearly every request is
//! done before.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

pub(super) struct Alarm {
    due: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Returns an alarm that rings after this time.
    pub(super) fn after(time: Duration) -> Self {
        Self::at(Instant::now() + time)
    }

    /// Returns an alarm that rings at this time.
    pub(super) fn at(due: Instant) -> Self {
        Self { due, timer: None }
    }

    /// Postpones the alarm to this time from now.
    pub(super) fn set(&mut self, time: Duration) {
        self.set_at(Instant::now() + time);
    }

    /// Postpones the alarm to this time.
    pub(super) fn set_at(&mut self, due: Instant) {
        self.due = due;
    }

    /// Ready when the alarm rings.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let due = self.due;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if due < timer.deadline() {
            timer.as_mut().reset(due);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if due <= timer.deadline() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rings_when_it_was_set_to_last_be_that_sooner_or_later() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let began = Instant::now();
            let mut alarm = Alarm::after(Duration::from_secs(3600));
            let rings = std::future::poll_fn(|cx| Poll::Ready(alarm.poll(cx).is_ready())).await;
            assert!(!rings);
            alarm.set(Duration::from_millis(1));
            std::future::poll_fn(|cx| alarm.poll(cx)).await;
            alarm.set(Duration::from_millis(5));
            std::future::poll_fn(|cx| alarm.poll(cx)).await;
            assert!(began.elapsed() >= Duration::from_millis(5));
        });
    }
}
