//! Shim: a script that is put into the HTML of sandboxed reports, before all scripts of theirs.
//!
//! Its place is found in the first bytes of the file, and everything else is sent as it is.

use std::io;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::deliver::Body;
use crate::domain::{Error, ErrorKind, Result};

/// How much of a file is searched for the place of the script, in bytes.
const BEGINNING_BYTES: usize = 8 << 10;

/// Puts `tag` into the HTML of a file of `size` bytes, if there is a place for it. Returns the new size and the bytes. Of
/// the file only the beginning is held.
///
/// # Errors
/// Those of reading the beginning.
pub(super) async fn put_into(body: Body, size: u64, tag: &str) -> Result<(u64, Body)> {
    let mut pieces = match body {
        Body::Full(bytes) => {
            let Some(at) = place(&bytes) else { return Ok((size, Body::Full(bytes))) };
            let changed = [&bytes[..at], tag.as_bytes(), &bytes[at..]].concat();
            return Ok((changed.len() as u64, Body::Full(changed.into())));
        }
        // It is asked once more behind its end, if the file is short.
        Body::Stream(pieces) => pieces.fuse(),
    };
    let mut beginning = Vec::new();
    while beginning.len() < BEGINNING_BYTES
        && let Some(piece) = pieces.next().await
    {
        beginning.extend_from_slice(&piece.map_err(unreadable)?);
    }
    let beginning = Bytes::from(beginning);
    let Some(at) = place(&beginning) else {
        return Ok((size, Body::Stream(Box::pin(stream::iter([Ok(beginning)]).chain(pieces)))));
    };
    let parts = [beginning.slice(..at), Bytes::copy_from_slice(tag.as_bytes()), beginning.slice(at..)];
    let parts = stream::iter(parts.into_iter().filter(|part| !part.is_empty()).map(Ok));
    Ok((size + tag.len() as u64, Body::Stream(Box::pin(parts.chain(pieces)))))
}

fn unreadable(error: io::Error) -> Error {
    Error::new(ErrorKind::Unprocessable, "this file is damaged").with_source(error.to_string())
}

/// Finds the place of a script that comes before all others: behind the document type and the tags of the document and
/// its head, as far as they are there. `None` if that cannot be told from these bytes.
fn place(bytes: &[u8]) -> Option<usize> {
    let bytes = &bytes[..bytes.len().min(BEGINNING_BYTES)];
    // Text of two bytes a character is none of ours.
    if bytes.contains(&0) || bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return None;
    }
    let mut at = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut place = at;
    loop {
        let rest = &bytes[at..];
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let rest = &rest[blanks..];
        if rest.is_empty() {
            // Nothing else may follow; but where the bytes were cut, something may.
            return (bytes.len() < BEGINNING_BYTES).then_some(place);
        }
        let length = if rest.starts_with(b"<!--") {
            comment_length(rest)?
        } else if begins(rest, b"<!doctype") || rest.starts_with(b"<?") {
            find(rest, b">")? + 1
        } else if is_tag(rest, b"html") || is_tag(rest, b"head") {
            tag_length(rest)?
        } else {
            return Some(place);
        };
        at += blanks + length;
        if rest.starts_with(b"<!--") {
            continue;
        }
        place = at;
        if is_tag(rest, b"head") {
            return Some(place);
        }
    }
}

/// Whether bytes begin with an opening tag of this name.
fn is_tag(bytes: &[u8], name: &[u8]) -> bool {
    let behind = bytes.get(1 + name.len()).copied();
    bytes.starts_with(b"<")
        && begins(&bytes[1..], name)
        && behind.is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))
}

/// Returns the length of a tag; a `>` in quotes does not end it.
fn tag_length(bytes: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in bytes.iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

/// Returns the length of a comment as browsers see it.
fn comment_length(bytes: &[u8]) -> Option<usize> {
    let inside = &bytes[4..];
    if inside.starts_with(b">") {
        return Some(5);
    }
    if inside.starts_with(b"->") {
        return Some(6);
    }
    let ends = [find(inside, b"-->").map(|at| at + 3), find(inside, b"--!>").map(|at| at + 4)];
    ends.into_iter().flatten().min().map(|end| 4 + end)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|part| part == wanted)
}

fn begins(bytes: &[u8], with: &[u8]) -> bool {
    bytes.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A stream that must not be asked again behind its end, as those of blobs.
    fn once_only(
        pieces: Vec<io::Result<Bytes>>,
    ) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send {
        stream::unfold(pieces.into_iter(), async |mut left| left.next().map(|piece| (piece, left)))
    }

    /// The HTML with a mark where the script would stand.
    fn marked(html: &str) -> String {
        match place(html.as_bytes()) {
            Some(at) => format!("{}^{}", &html[..at], &html[at..]),
            None => "nowhere".to_owned(),
        }
    }

    #[test]
    fn the_script_stands_before_all_others_and_behind_the_document_type() {
        for expected in [
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>^<meta charset=utf-8><script>",
            "\u{feff}<!doctype html><HTML><!-- <head> --><Head profile=\"a>b\">^<script>",
            "<!DOCTYPE html>^\n<title>x</title>",
            "<!DOCTYPE html><html>^\n<body>",
            "<!-- made by x -->\n<!DOCTYPE html>^<header>",
            "<?xml version=\"1.0\"?><!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0\"><html xmlns='a>'><head>^<script>",
            "^<script src=a.js></script>",
            "^  text",
            "<html>^<!-- to the end --><!--> --> <p>",
            "<!DOCTYPE html>^",
        ] {
            assert_eq!(marked(&expected.replace('^', "")), expected);
        }
    }

    #[test]
    fn where_the_place_cannot_be_told_there_is_none() {
        let comment = format!("<!-- {} --><head>", "x".repeat(BEGINNING_BYTES));
        for html in
            [comment.as_str(), "<!DOCTYPE html", "<html lang=\"", "<!-- ", &" ".repeat(9000), "<\0html>"]
        {
            assert_eq!(marked(html), "nowhere");
        }
        assert_eq!(
            place("<html>".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>().as_slice()),
            None
        );
    }

    proptest! {
        #[test]
        fn everything_else_stays_as_it_is(html in "(<!doctype html>)?(<html>|<!-- a -->| ){0,3}(<head>)?.{0,60}", cut in 1_usize..40) {
            let tag = "<script src=\"x\"></script>";
            let pieces: Vec<io::Result<Bytes>> =
                html.as_bytes().chunks(cut).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            for body in [Body::Full(html.clone().into()), Body::Stream(Box::pin(once_only(pieces)))] {
                let made = futures_util::FutureExt::now_or_never(async {
                    let (size, body) = put_into(body, html.len() as u64, tag).await.unwrap();
                    let bytes = match body {
                        Body::Full(bytes) => bytes.to_vec(),
                        Body::Stream(pieces) => pieces.map(|piece| piece.unwrap().to_vec()).concat().await,
                    };
                    (size, String::from_utf8(bytes).unwrap())
                });
                let (size, text) = made.unwrap();
                prop_assert_eq!(size, text.len() as u64);
                prop_assert_eq!(text.replacen(tag, "", 1), html.clone());
            }
        }

        #[test]
        fn no_bytes_are_a_panic(bytes: Vec<u8>) {
            if let Some(at) = place(&bytes) {
                prop_assert!(at <= bytes.len());
            }
        }
    }
}
