//! A certificate that is replaced while the server runs.

use std::io::{Read, Write};
use std::process::Command;

use super::{encrypted, serving};
use crate::program::Serving;
use crate::support::fixtures::{self, ARCHIVE};
use crate::support::tls::Pair;
use crate::support::{until, zips};

fn hang_up(serving: &Serving) {
    assert!(Command::new("kill").args(["-HUP", &serving.id().to_string()]).status().unwrap().success());
}

fn has_logged(serving: &Serving, words: &str) -> bool {
    serving.log.lock().unwrap().iter().any(|line| line.contains(words))
}

#[test]
fn a_changed_pair_is_used_for_new_connections_while_a_download_goes_on() {
    let (gateway, pair, folder) = encrypted(|_| {});
    let other = Pair::make(folder.path(), "other");
    let archive = zips::deflated(&[("a", &zips::noise(20 << 20))]);
    fixtures::small(&gateway, &archive);
    let mut download = pair.connect(gateway.address).unwrap();
    write!(download, "GET {ARCHIVE} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut received = vec![0; 100_000];
    download.read_exact(&mut received).unwrap();
    pair.replace_by(&other);
    until(60_000, "the new pair is in use", || other.is_used_by(gateway.address));
    download.read_to_end(&mut received).unwrap();
    let body = received.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    assert!(received[body..] == archive, "the download is whole");
}

#[test]
fn sighup_reads_the_files_and_a_pair_that_cannot_be_used_leaves_the_one_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let (pair, good) = (Pair::make(folder.path(), "one"), Pair::make(folder.path(), "good"));
    let other = Pair::make(folder.path(), "other");
    let serving = serving(folder.path(), &pair);
    let address = serving.address();
    assert!(pair.is_used_by(address));

    // The key of another certificate.
    pair.replace_by(&Pair { certificate: other.certificate.clone(), key: good.key.clone() });
    hang_up(&serving);
    until(10_000, "the refusal is logged", || {
        has_logged(&serving, "the certificate stays the one before")
            && has_logged(&serving, "the key does not belong to the certificate in")
    });
    assert!(!other.is_used_by(address));

    // Half of a file, as while it is being written.
    let pem = std::fs::read(&good.certificate).unwrap();
    std::fs::write(&pair.certificate, &pem[..pem.len() / 2]).unwrap();
    hang_up(&serving);
    until(10_000, "half a file is refused", || has_logged(&serving, "the file ends inside a section of PEM"));

    std::fs::write(&pair.certificate, &pem).unwrap();
    hang_up(&serving);
    until(10_000, "the good pair is in use", || good.is_used_by(address));
    until(10_000, "its use is logged", || has_logged(&serving, "new connections get the certificate"));

    let expired = Pair::expired(folder.path(), "old");
    pair.replace_by(&expired);
    hang_up(&serving);
    until(10_000, "the end is warned of", || has_logged(&serving, "server.tls_certificate has expired"));
    assert_eq!(serving.stop(), Some(0));
}
