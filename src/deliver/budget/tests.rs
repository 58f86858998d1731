//! Tests of shares: taken in order, given back, and taken from stalled responses.

use std::net::Ipv4Addr;

use futures_util::stream;

use super::*;

const NOBODY_WAITS: Patience = Patience { wait: Duration::ZERO, stall: Duration::from_secs(3_600) };
const NOBODY_STALLS: Patience = Patience { wait: Duration::ZERO, stall: Duration::ZERO };

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn client(number: u8) -> Option<IpAddr> {
    Some(Ipv4Addr::new(192, 0, 2, number).into())
}

fn answer(budget: &Budget, share: Share) -> ByteStream {
    let pieces: ByteStream =
        Box::pin(stream::iter([Ok(Bytes::from_static(b"a")), Ok(Bytes::from_static(b"b"))]));
    budget.watch(share, |share| super::super::folder::holding(pieces, share))
}

#[test]
fn what_is_used_up_is_refused_until_some_is_given_back() {
    run(async {
        let budget = Budget::new("memory", 100, 1, NOBODY_WAITS);
        let one = budget.take(50, client(1)).await.unwrap();
        let other = budget.take(40, client(2)).await.unwrap();
        let refused = budget.take(20, client(3)).await.unwrap_err();
        assert_eq!(refused.kind(), crate::domain::ErrorKind::Unavailable);
        assert_eq!(budget.used(), 90);
        drop(one);
        budget.take(20, client(3)).await.unwrap();
        drop(other);
        assert_eq!(budget.used(), 0);
    });
}

#[test]
fn nobody_has_more_than_three_quarters() {
    run(async {
        let budget = Budget::new("memory", 100, 1, NOBODY_WAITS);
        let mine = budget.take(50, client(1)).await.unwrap();
        assert!(budget.take(30, client(1)).await.is_err());
        let others = budget.take(25, client(2)).await.unwrap();
        drop(mine);
        let all_that_is_mine = budget.take(1_000_000, client(1)).await.unwrap();
        assert_eq!(budget.used(), 100);
        assert!(budget.take(1, client(1)).await.is_err());
        drop((all_that_is_mine, others));
        let network: Vec<Option<IpAddr>> =
            ["2001:db8::1", "2001:db8::2"].map(|address| Some(address.parse().unwrap())).into();
        let _one = budget.take(40, network[0]).await.unwrap();
        assert!(budget.take(40, network[1]).await.is_err(), "one IPv6 network is one client");
    });
}

#[test]
fn an_answer_that_nobody_takes_makes_room_for_who_waits() {
    run(async {
        let budget = Budget::new("memory", 100, 1, NOBODY_STALLS);
        let mut first = answer(&budget, budget.take(50, client(1)).await.unwrap());
        let mut second = answer(&budget, budget.take(50, client(2)).await.unwrap());
        assert_eq!(first.next().await.unwrap().unwrap(), "a");
        let third = budget.take(50, client(3)).await.unwrap();
        let ended = [first.next().await.unwrap().is_err(), second.next().await.unwrap().is_err()];
        assert_eq!(ended.iter().filter(|ended| **ended).count(), 1, "no more are ended than have to be");
        drop(third);
        let mut mine = answer(&budget, budget.take(50, client(4)).await.unwrap());
        let _mine_too = budget.take(50, client(4)).await.unwrap();
        assert!(mine.next().await.unwrap().is_err(), "for a client's own it is the same");
    });
}

#[test]
fn an_answer_that_makes_progress_is_left_alone() {
    run(async {
        let budget = Budget::new("memory", 100, 1, NOBODY_WAITS);
        let mut moving = answer(&budget, budget.take(50, client(1)).await.unwrap());
        let _other = budget.take(50, client(2)).await.unwrap();
        assert!(budget.take(10, client(3)).await.is_err());
        assert_eq!(moving.next().await.unwrap().unwrap(), "a");
        assert_eq!(moving.next().await.unwrap().unwrap(), "b");
        assert!(moving.next().await.is_none());
        budget.take(10, client(3)).await.unwrap();
        assert!(moving.next().await.is_none(), "what was whole stays so");
    });
}

#[test]
fn who_waits_gets_its_turn_in_order_and_leaves_nothing_behind() {
    run(async {
        let patience = Patience { wait: Duration::from_secs(60), ..NOBODY_WAITS };
        let budget = Budget::new("memory", 100, 1, patience);
        let held = budget.take(50, client(1)).await.unwrap();
        let rest = budget.take(50, client(2)).await.unwrap();
        let mut large = Box::pin(budget.take(40, client(3)));
        let mut small = Box::pin(budget.take(1, client(4)));
        assert!(futures_util::poll!(&mut large).is_pending() && futures_util::poll!(&mut small).is_pending());
        drop(held);
        let (large, small) = (large.await.unwrap(), small.await.unwrap());
        drop((large, small));
        let mut leaves = Box::pin(budget.take(50, client(5)));
        assert!(futures_util::poll!(&mut leaves).is_ready());
        drop(leaves);
        drop(rest);
        assert_eq!(budget.used(), 0);
    });
}
