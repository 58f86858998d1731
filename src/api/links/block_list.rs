//! List of blocks: the XML that orders the blocks of an upload.

use actix_web::http::StatusCode;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::error::Refusal;
use super::upload::{MAX_BLOCKS, require_block_id};

/// Reads the IDs of a `BlockList`, in order. Every committed block is one that arrived here, so the three kinds of
/// elements mean the same.
pub(super) fn parse(xml: &[u8]) -> Result<Vec<String>, Refusal> {
    let invalid =
        || Refusal::new(StatusCode::BAD_REQUEST, "InvalidXmlDocument", "The body is not a list of blocks.");
    let mut reader = Reader::from_reader(xml);
    let (mut list, mut depth, mut id) = (Vec::new(), 0, None::<String>);
    let mut seen_root = false;
    loop {
        match reader.read_event().map_err(|_| invalid())? {
            Event::Start(element) => {
                depth += 1;
                match (depth, element.local_name().as_ref()) {
                    (1, b"BlockList") if !seen_root => seen_root = true,
                    (2, b"Latest" | b"Uncommitted" | b"Committed") => id = Some(String::new()),
                    _ => return Err(invalid()),
                }
            }
            Event::Empty(element) => match (depth, element.local_name().as_ref()) {
                (0, b"BlockList") if !seen_root => seen_root = true,
                _ => return Err(invalid()),
            },
            Event::Text(text) => match &mut id {
                Some(id) => id.push_str(std::str::from_utf8(&text).map_err(|_| invalid())?),
                None if text.iter().all(u8::is_ascii_whitespace) => {}
                None => return Err(invalid()),
            },
            Event::End(_) => {
                depth -= 1;
                if let Some(id) = id.take() {
                    let id = id.trim().to_owned();
                    require_block_id(&id)?;
                    list.push(id);
                    if list.len() as i64 > MAX_BLOCKS {
                        return Err(Refusal::new(
                            StatusCode::BAD_REQUEST,
                            "BlockListTooLong",
                            "A list has at most 50,000 blocks.",
                        ));
                    }
                }
            }
            Event::Eof if seen_root && depth == 0 => return Ok(list),
            Event::Eof | Event::DocType(_) | Event::GeneralRef(_) | Event::CData(_) => return Err(invalid()),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use proptest::prelude::*;

    use super::*;

    fn ids(xml: &str) -> Result<Vec<String>, &'static str> {
        parse(xml.as_bytes()).map_err(|refusal| refusal.code)
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
            assert_eq!(ids(xml), Err("InvalidXmlDocument"), "{xml}");
        }
        for id in ["", "../x", "a", &BASE64_STANDARD.encode([b'x'; 65])] {
            let xml = format!("<BlockList><Latest>{id}</Latest></BlockList>");
            assert_eq!(ids(&xml), Err("InvalidQueryParameterValue"), "{id}");
        }
    }

    proptest! {
        #[test]
        fn no_body_is_a_panic(xml: Vec<u8>) {
            let _ = parse(&xml);
        }
    }
}
