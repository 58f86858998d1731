//! Reads arbitrary bytes as a list of blocks; what is one is the same list when it is written again.
#![no_main]

use artigate::api::links::block_list::{MAX_BLOCKS, is_block_id, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(list) = parse(input) else { return };
    assert!(list.len() <= MAX_BLOCKS && list.iter().all(|id| is_block_id(id)));
    let blocks: String = list.iter().map(|id| format!("<Latest>{id}</Latest>")).collect();
    assert_eq!(parse(format!("<BlockList>{blocks}</BlockList>").as_bytes()), Ok(list));
});
