//! List of blocks: the XML that orders the blocks of an upload.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use quick_xml::Reader;
use quick_xml::events::Event;

/// Most blocks of an upload, as Azure has it.
pub const MAX_BLOCKS: usize = 50_000;

/// Longest ID of a block, in bytes before its encoding, as Azure has it.
const MAX_BLOCK_ID_BYTES: usize = 64;

/// Why a body is no list of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBlockList {
    /// It is not the XML of a list.
    #[error("The body is not a list of blocks.")]
    Document,
    /// An ID is none.
    #[error("The ID of a block is not the base64 form of 1 to 64 bytes.")]
    Id,
    /// It has more than [`MAX_BLOCKS`] blocks.
    #[error("A list has at most 50,000 blocks.")]
    TooLong,
}

/// Reads the IDs of a `BlockList`, in order. Every committed block is one that arrived here, so the three kinds of
/// elements mean the same.
///
/// # Errors
/// [`InvalidBlockList`].
pub fn parse(xml: &[u8]) -> Result<Vec<String>, InvalidBlockList> {
    let mut reader = Reader::from_reader(xml);
    let (mut list, mut depth, mut id) = (Vec::new(), 0, None::<String>);
    let mut seen_root = false;
    loop {
        match reader.read_event().map_err(|_| InvalidBlockList::Document)? {
            Event::Start(element) => {
                depth += 1;
                match (depth, element.local_name().as_ref()) {
                    (1, b"BlockList") if !seen_root => seen_root = true,
                    (2, b"Latest" | b"Uncommitted" | b"Committed") => id = Some(String::new()),
                    _ => return Err(InvalidBlockList::Document),
                }
            }
            Event::Empty(element) => match (depth, element.local_name().as_ref()) {
                (0, b"BlockList") if !seen_root => seen_root = true,
                _ => return Err(InvalidBlockList::Document),
            },
            Event::Text(text) => match &mut id {
                Some(id) => id.push_str(std::str::from_utf8(&text).map_err(|_| InvalidBlockList::Document)?),
                None if text.iter().all(u8::is_ascii_whitespace) => {}
                None => return Err(InvalidBlockList::Document),
            },
            Event::End(_) => {
                depth -= 1;
                if let Some(id) = id.take() {
                    let id = id.trim();
                    if !is_block_id(id) {
                        return Err(InvalidBlockList::Id);
                    }
                    if list.len() == MAX_BLOCKS {
                        return Err(InvalidBlockList::TooLong);
                    }
                    list.push(id.to_owned());
                }
            }
            Event::Eof if seen_root && depth == 0 => return Ok(list),
            Event::Eof | Event::DocType(_) | Event::GeneralRef(_) | Event::CData(_) => {
                return Err(InvalidBlockList::Document);
            }
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
}

/// Whether a text is the ID of a block.
pub fn is_block_id(id: &str) -> bool {
    BASE64_STANDARD.decode(id).is_ok_and(|bytes| (1..=MAX_BLOCK_ID_BYTES).contains(&bytes.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(xml: &str) -> Result<Vec<String>, InvalidBlockList> {
        parse(xml.as_bytes())
    }

    #[test]
    fn a_list_is_read_in_its_order_whatever_its_elements_are_called() {
        let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>";
        let list = "<BlockList><Latest>QQ==</Latest><Uncommitted>Qg==</Uncommitted><Committed> QQ== </Committed></BlockList>";
        assert_eq!(ids(&format!("{declaration}{list}")).unwrap(), ["QQ==", "Qg==", "QQ=="]);
        for empty in ["<BlockList/>", "<BlockList></BlockList>", "<BlockList>\n</BlockList>"] {
            assert_eq!(ids(empty).unwrap(), Vec::<String>::new(), "{empty}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for xml in [
            "",
            "{}",
            "<BlockList>",
            "<Blocks/>",
            "<BlockList><Latest><Latest>QQ==</Latest></Latest></BlockList>",
            "<BlockList/>rubbish",
            "rubbish<BlockList/>",
            "<BlockList>QQ==</BlockList>",
            "<BlockList/><BlockList/>",
            "<BlockList></BlockList><BlockList><Latest>QQ==</Latest></BlockList>",
            "<BlockList/><",
            "<!DOCTYPE a [<!ENTITY b 'c'>]><BlockList><Latest>&b;</Latest></BlockList>",
        ] {
            assert_eq!(ids(xml), Err(InvalidBlockList::Document), "{xml}");
        }
        for id in ["", "../x", "a", &BASE64_STANDARD.encode([b'x'; 65])] {
            let xml = format!("<BlockList><Latest>{id}</Latest></BlockList>");
            assert_eq!(ids(&xml), Err(InvalidBlockList::Id), "{id}");
        }
    }

    proptest! {
        #[test]
        fn no_body_is_a_panic(xml: Vec<u8>) {
            let _ = parse(&xml);
        }
    }
}
