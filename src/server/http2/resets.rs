//! Resets: requests that a client took back before they were answered.

use super::response::End;

/// Most requests that a client may take back without letting as many be answered.
const MOST: u32 = 100;

/// How many more a client may take back.
#[derive(Debug)]
pub(super) struct Resets {
    left: u32,
}

impl Default for Resets {
    fn default() -> Self {
        Self { left: MOST }
    }
}

impl Resets {
    /// Counts the end of a request; whether the client has taken back too many.
    pub(super) fn are_too_many_with(&mut self, end: End) -> bool {
        match end {
            End::Complete => self.left = MOST.min(self.left + 1),
            End::TakenBack => self.left = self.left.saturating_sub(1),
            End::Broken => {}
        }
        self.left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_take_back_a_hundred_more_than_it_lets_be_answered() {
        let mut resets = Resets::default();
        for _ in 0..1000 {
            assert!(!resets.are_too_many_with(End::Complete) && !resets.are_too_many_with(End::TakenBack));
        }
        // One of them is still not made up for.
        assert!((2..MOST).all(|_| !resets.are_too_many_with(End::TakenBack)));
        assert!(!resets.are_too_many_with(End::Broken), "that was not the client");
        assert!(resets.are_too_many_with(End::TakenBack));
    }
}
