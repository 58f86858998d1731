//! Cache: answers of an upstream, each for a while. It holds digests of tokens and no tokens, and is lost with the
//! process.
//!
//! Refusals have a map of their own, so that junk cannot push out what is of use.

use std::time::Duration;

use quick_cache::sync::Cache as Map;

use super::answer::{Answer, Refusal};
use super::question::{Key, Kind, ProjectKey, Question};
use crate::domain::Timestamp;

/// Most answers about tokens of each kind.
const TOKENS: usize = 20_000;

/// Most verdicts, roles and paths of each kind.
const PROJECTS: usize = 50_000;

/// Most refusals.
const REFUSALS: usize = 20_000;

/// Most refs.
const REFS: usize = 20_000;

/// How long it is used what a ref leads to.
const REF: Duration = Duration::from_secs(10);

/// How long a refusal is used.
const REFUSED: Duration = Duration::from_secs(10);

/// How long it is used that anybody may read a project: an upstream answers nobody in particular only so often.
const ANYBODY: Duration = Duration::from_secs(300);

/// How long a path is known to lead to a project: a project that is deleted or moved leaves its path to others.
const PATH: Duration = Duration::from_secs(60);

/// An answer and its lifetime.
#[derive(Debug, Clone)]
struct Kept<T> {
    value: T,
    since: Timestamp,
    until: Timestamp,
}

#[derive(Debug)]
pub(super) struct Cache {
    jobs: Map<Key, Kept<Answer>>,
    tokens: Map<Key, Kept<Answer>>,
    verdicts: Map<Key, Kept<Answer>>,
    roles: Map<Key, Kept<Answer>>,
    refs: Map<Key, Kept<Answer>>,
    archives: Map<Key, Kept<Answer>>,
    refusals: Map<Key, Kept<Refusal>>,
    paths: Map<String, Kept<i64>>,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            jobs: Map::new(TOKENS),
            tokens: Map::new(TOKENS),
            verdicts: Map::new(PROJECTS),
            roles: Map::new(PROJECTS),
            refs: Map::new(REFS),
            archives: Map::new(PROJECTS),
            refusals: Map::new(REFUSALS),
            paths: Map::new(PROJECTS),
        }
    }
}

impl<T> Kept<T> {
    /// Whether it may still be used by somebody who takes nothing older than `max_age_millis`. A clock that was set
    /// back ends it.
    fn is_fresh(&self, now: Timestamp, max_age_millis: i64) -> bool {
        let age = now.as_millis() - self.since.as_millis();
        now < self.until && (0..=max_age_millis).contains(&age)
    }
}

impl Cache {
    fn map(&self, kind: Kind) -> &Map<Key, Kept<Answer>> {
        match kind {
            Kind::Job => &self.jobs,
            Kind::Token => &self.tokens,
            Kind::MayRead => &self.verdicts,
            Kind::Role => &self.roles,
            Kind::Newest => &self.refs,
            Kind::Artifact => &self.archives,
        }
    }

    /// Returns the answer that is known, if it is not older than `max_age_millis`.
    pub(super) fn find(&self, key: &Key, now: Timestamp, max_age_millis: i64) -> Option<Answer> {
        let kept = self.map(key.kind).get(key).filter(|kept| kept.is_fresh(now, max_age_millis));
        if let Some(kept) = kept {
            return Some(kept.value);
        }
        let refused = self.refusals.get(key).filter(|kept| kept.is_fresh(now, max_age_millis));
        refused.map(|kept| Answer::Refused(kept.value))
    }

    /// Returns the number of the project to which a path in lower case leads, if that is known.
    pub(super) fn project_at(&self, path: &str, now: Timestamp) -> Option<i64> {
        self.paths.get(path).filter(|kept| kept.is_fresh(now, i64::MAX)).map(|kept| kept.value)
    }

    /// Keeps an answer; nothing if `remember` is zero.
    pub(super) fn keep(&self, question: &Question, answer: &Answer, now: Timestamp, remember: Duration) {
        if remember.is_zero() {
            return;
        }
        let mut key = question.key();
        let lasting = |time: Duration| later(now, time);
        if let Answer::Refused(refusal) = answer {
            self.refuse(&key, *refusal, now, remember);
            return;
        }
        let mut until = match (key.kind, key.asker) {
            (Kind::Newest, _) => lasting(REF.min(remember)),
            (_, None) => lasting(ANYBODY),
            (_, Some(_)) => lasting(remember),
        };
        match answer {
            Answer::Token(facts) => until = facts.expires_at.map_or(until, |end| until.min(end)),
            Answer::Job(job) => self.keep_path(&job.project_path, job.project_id, now, lasting(PATH)),
            Answer::MayRead { project_id, path } => {
                if let Some(ProjectKey::Path(asked)) = &key.project {
                    self.keep_path(asked, *project_id, now, lasting(PATH));
                }
                if let Some(path) = path {
                    self.keep_path(path, *project_id, now, lasting(PATH));
                }
                key.project = Some(ProjectKey::Id(*project_id));
            }
            Answer::Role(_) | Answer::Newest(_) | Answer::Archive | Answer::Refused(_) => {}
        }
        self.refusals.remove(&key);
        self.map(key.kind).insert(key, Kept { value: answer.clone(), since: now, until });
    }

    /// Keeps a refusal in place of any other answer; nothing if `remember` is zero.
    pub(super) fn refuse(&self, key: &Key, refusal: Refusal, now: Timestamp, remember: Duration) {
        self.map(key.kind).remove(key);
        if !remember.is_zero() {
            let until = later(now, REFUSED);
            self.refusals.insert(key.clone(), Kept { value: refusal, since: now, until });
        }
    }

    fn keep_path(&self, path: &str, id: i64, now: Timestamp, until: Timestamp) {
        self.paths.insert(path.to_lowercase(), Kept { value: id, since: now, until });
    }

    /// Forgets verdicts and roles in a project, and the paths that lead to it.
    pub(super) fn forget_project(&self, id: i64) {
        let is_other = |key: &Key| key.project != Some(ProjectKey::Id(id));
        self.verdicts.retain(|key, _| is_other(key));
        self.roles.retain(|key, _| is_other(key));
        self.refs.retain(|key, _| is_other(key));
        self.archives.retain(|key, _| is_other(key));
        self.paths.retain(|_, kept| kept.value != id);
    }
}

fn later(now: Timestamp, time: Duration) -> Timestamp {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_add(millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::question::{Asker, Place};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn asker(token: &str) -> Asker {
        Asker::with_token(Place::Personal, &token.to_owned().into()).unwrap()
    }

    const FOREVER: i64 = i64::MAX;

    #[test]
    fn each_answer_lasts_as_long_as_its_kind() {
        let cache = Cache::default();
        let remember = Duration::from_secs(30);
        let yes = Answer::MayRead { project_id: 7, path: Some("Group/Project".into()) };
        let mine = Question::MayRead(asker("a"), ProjectKey::Path("group/old".into()));
        let anybody = Question::MayRead(Asker::NOBODY, ProjectKey::Id(7));
        let refused = Question::Token(asker("b"));
        cache.keep(&mine, &yes, at(0), remember);
        cache.keep(&anybody, &yes, at(0), remember);
        cache.keep(&refused, &Answer::Refused(Refusal::Unauthenticated), at(0), remember);
        let by_id = Question::MayRead(asker("a"), ProjectKey::Id(7));
        let is_known = |question: &Question, now| cache.find(&question.key(), at(now), FOREVER).is_some();
        assert!(is_known(&by_id, 29) && !is_known(&by_id, 30) && !is_known(&mine, 0));
        assert!(is_known(&anybody, 299) && !is_known(&anybody, 300));
        assert!(is_known(&refused, 9) && !is_known(&refused, 10));
        assert_eq!(cache.project_at("group/project", at(59)), Some(7));
        assert_eq!(cache.project_at("group/old", at(59)), Some(7));
        assert_eq!(cache.project_at("group/project", at(60)), None);
        assert!(cache.find(&by_id.key(), at(20), 19_000).is_none(), "somebody wants a newer one");
        cache.forget_project(7);
        assert!(
            !is_known(&by_id, 0) && !is_known(&anybody, 0) && cache.project_at("group/old", at(0)).is_none()
        );
    }

    #[test]
    fn nothing_is_kept_that_is_not_to_be_remembered_and_no_token_past_its_end() {
        let cache = Cache::default();
        let question = Question::Token(asker("a"));
        let facts = crate::upstream::TokenFacts {
            user_id: 1,
            scopes: crate::domain::scope::Scopes::READ,
            expires_at: Some(at(10)),
        };
        cache.keep(&question, &Answer::Token(facts), at(0), Duration::ZERO);
        assert!(cache.find(&question.key(), at(0), FOREVER).is_none());
        cache.keep(&question, &Answer::Token(facts), at(0), Duration::from_secs(30));
        assert!(cache.find(&question.key(), at(9), FOREVER).is_some());
        assert!(cache.find(&question.key(), at(10), FOREVER).is_none());
    }
}
