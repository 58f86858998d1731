//! Buildkite's client library for Python, unmodified from its registry.

use super::{python, run};
use crate::support::fixtures::{self, MAINTAINER};
use crate::support::gateway::Gateway;
use crate::support::zips;

on_both_databases!(pybuildkite_tells_a_story);

fn pybuildkite_tells_a_story(gateway: Gateway) {
    fixtures::small(&gateway, &zips::deflated(&[("a.txt", b"hello"), ("log/b.log", b"line\n")]));
    let script = python("pybuildkite_story.py");
    let printed = run({ script }.args([&gateway.base_url(), MAINTAINER, "group", "project"]));
    let expected = "builds: [2, 1]\npassed: [1]\nbuild: passed ['build']\nartifacts: ['a.txt', 'log/b.log']\n\
        page: 2 None\none: aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d 5\nbytes: b'hello'\nleft: ['log/b.log']\n\
        created: 3 scheduled {'a': 'true'}\npages: 3 None\ncanceled: canceled\nagain: 4 3\neverywhere: 4 4\n";
    assert_eq!(printed, expected);
}
