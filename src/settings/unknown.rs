//! Suggestions for an unknown settings key: similar keys, and the list of existing ones.

use super::keys::{KEYS, Key};

/// The maximum number of suggested names.
const OFFERED: usize = 3;

/// The similarity of a known name to the given one; the smallest is the most similar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    /// Differs by a typing error or two.
    Slip,
    /// The same key, given with another section or without one.
    OtherSection,
    /// A key of the given section whose name contains the given one, from the beginning of a word on.
    Part,
}

/// Returns the keys that `given`, written `section.key`, may have meant, the most similar first.
pub(super) fn similar(given: &str) -> Vec<&'static Key> {
    let known =
        KEYS.iter().filter_map(|key| Some((nearness(given, key.name)?, distance(given, key.name), key)));
    let mut known: Vec<_> = known.collect();
    known.sort_by_key(|(nearness, distance, _)| (*nearness, *distance));
    let nearest = known.first().map(|(nearness, _, _)| *nearness);
    known.retain(|(nearness, _, _)| Some(*nearness) == nearest);
    known.into_iter().take(OFFERED).map(|(_, _, key)| key).collect()
}

fn nearness(given: &str, known: &str) -> Option<Nearness> {
    let (section, key) = given.rsplit_once('.').unwrap_or(("", given));
    let (known_section, known_key) = known.split_once('.')?;
    match distance(given, known) {
        ..=1 => Some(Nearness::Slip),
        slips if slips <= known.len() / 6 => Some(Nearness::Slip),
        _ if key == known_key => Some(Nearness::OtherSection),
        _ if section == known_section && key.len() > 2 && has_part(known_key, key) => Some(Nearness::Part),
        _ => None,
    }
}

/// Whether a name contains another one from the beginning of a word on.
fn has_part(known: &str, part: &str) -> bool {
    let begins_word = |at: usize| at == 0 || known.as_bytes().get(at - 1) == Some(&b'_');
    known.match_indices(part).any(|(at, _)| begins_word(at))
}

/// Returns the number of characters that were omitted, inserted, replaced or swapped.
pub(super) fn distance(given: &str, known: &str) -> usize {
    strsim::osa_distance(given, known)
}

/// Returns `did you mean a, b or c?`; `None` without names.
pub(super) fn did_you_mean(names: &[String]) -> Option<String> {
    let (last, others) = names.split_last()?;
    Some(match others {
        [] => format!("did you mean {last}?"),
        others => format!("did you mean {} or {last}?", others.join(", ")),
    })
}

/// Returns a sentence that lists the keys of the section, or all sections if the section is unknown.
pub(super) fn there_are(given: &str) -> String {
    let section = given.split_once('.').map_or(given, |(section, _)| section);
    let keys = KEYS.iter().map(Key::parts).filter(|(of, _)| *of == section).map(|(_, key)| key);
    let keys: Vec<&str> = keys.collect();
    if !keys.is_empty() {
        return format!("The keys of [{section}] are {}", keys.join(", "));
    }
    let mut sections: Vec<&str> = KEYS.iter().map(|key| key.parts().0).collect();
    sections.dedup();
    format!("The sections are {}", sections.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(given: &str) -> Vec<&'static str> {
        similar(given).into_iter().map(|key| key.name).collect()
    }

    #[test]
    fn what_was_meant_is_found_and_what_was_not_is_not_offered() {
        assert_eq!(names("server.lisen"), ["server.listen"]);
        assert_eq!(names("sever.listen"), ["server.listen"]);
        assert_eq!(names("server_listen"), ["server.listen"]);
        assert_eq!(names("limits.max_artefact_size"), ["limits.max_artifact_size"]);
        assert_eq!(names("listen"), ["server.listen", "metrics.listen"]);
        assert_eq!(names("db.url"), ["database.url", "storage.url"]);
        assert_eq!(names("server.drain"), ["server.drain_timeout"]);
        assert_eq!(names("server.port"), [""; 0]);
        assert_eq!(names("nonsense"), [""; 0]);
    }

    #[test]
    fn names_are_offered_as_people_offer_them() {
        let offer = |names: &[&str]| did_you_mean(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
        assert_eq!(offer(&[]), None);
        assert_eq!(offer(&["a"]).unwrap(), "did you mean a?");
        assert_eq!(offer(&["a", "b", "c"]).unwrap(), "did you mean a, b or c?");
    }
}
