//! Cache: answers of an upstream, each for a while. It holds digests of tokens and no tokens, and is lost with the
//! process.
//!
//! Refusals have a map of their own, so that junk cannot push out what is of use.

use std::cell::RefCell;
use std::collections::HashSet;
use std::time::Duration;

use quick_cache::sync::Cache as Map;

use super::answer::{Answer, Refusal, Told};
use super::question::{AskerKey, Key, Kind, ProjectKey, Question};
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
    /// Credentials that some question was answered with.
    valid: Map<AskerKey, Kept<()>>,
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
            valid: Map::new(PROJECTS),
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
            // What is asked of a project is stored, and remembered nowhere.
            Kind::MayRead | Kind::Project => &self.verdicts,
            Kind::Role => &self.roles,
            Kind::Newest => &self.refs,
            Kind::Artifact => &self.archives,
        }
    }

    /// Returns the answer that is known, if it was asked for no more than `max_age_millis` ago.
    pub(super) fn find(&self, key: &Key, now: Timestamp, max_age_millis: i64) -> Option<Told> {
        let kept = self.map(key.kind).get(key).filter(|kept| kept.is_fresh(now, max_age_millis));
        if let Some(Kept { value: answer, since: asked_at, .. }) = kept {
            return Some(Told { answer, asked_at });
        }
        let refused = self.refusals.get(key).filter(|kept| kept.is_fresh(now, max_age_millis))?;
        Some(Told { answer: Answer::Refused(refused.value), asked_at: refused.since })
    }

    /// Whether a credential is known to be valid.
    pub(super) fn is_valid(&self, asker: &AskerKey, now: Timestamp) -> bool {
        self.valid.get(asker).is_some_and(|kept| kept.is_fresh(now, i64::MAX))
    }

    /// Returns the number of the project to which a path in lower case leads, if that is known.
    pub(super) fn project_at(&self, path: &str, now: Timestamp) -> Option<i64> {
        self.paths.get(path).filter(|kept| kept.is_fresh(now, i64::MAX)).map(|kept| kept.value)
    }

    /// Keeps an answer, whose lifetime begins when it was asked for; nothing if `remember` is zero.
    pub(super) fn keep(&self, question: &Question, told: &Told, remember: Duration) {
        if remember.is_zero() {
            return;
        }
        let Told { answer, asked_at: now } = told;
        let now = *now;
        let mut key = question.key();
        let lasting = |time: Duration| later(now, time);
        if let Answer::Refused(refusal) = answer {
            self.refuse(&key, *refusal, now, remember);
            return;
        }
        let mut until = match (key.kind, key.asker) {
            (Kind::Newest, _) => lasting(REF.min(remember)),
            (Kind::MayRead, None) => lasting(ANYBODY),
            _ => lasting(remember),
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
        if key.asker.is_some() {
            self.valid.insert(key.asker, Kept { value: (), since: now, until });
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
        self.refusals.retain(|key, _| is_other(key));
        self.paths.retain(|_, kept| kept.value != id);
    }

    /// Forgets the tokens and jobs of a user, and what they may read.
    pub(super) fn forget_user(&self, id: i64) {
        let of_user = |answer: &Answer| match answer {
            Answer::Token(facts) => facts.user_id == id,
            Answer::Job(job) => job.user.as_ref().is_some_and(|user| user.id == id),
            Answer::Role(standing) => standing.user_id == Some(id),
            Answer::MayRead { .. } | Answer::Newest(_) | Answer::Archive | Answer::Refused(_) => false,
        };
        let askers = RefCell::new(HashSet::new());
        for map in [&self.jobs, &self.tokens, &self.roles] {
            map.retain(|key, kept| {
                let is_of_user = of_user(&kept.value);
                if is_of_user {
                    askers.borrow_mut().insert(key.asker);
                }
                !is_of_user
            });
        }
        let askers = askers.into_inner();
        for map in [&self.verdicts, &self.roles, &self.refs, &self.archives] {
            map.retain(|key, _| !askers.contains(&key.asker));
        }
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
        let told = |answer: &Answer| Told { answer: answer.clone(), asked_at: at(0) };
        cache.keep(&mine, &told(&yes), remember);
        cache.keep(&anybody, &told(&yes), remember);
        cache.keep(&refused, &told(&Answer::Refused(Refusal::Unauthenticated)), remember);
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
        let told = Told { answer: Answer::Token(facts), asked_at: at(0) };
        cache.keep(&question, &told, Duration::ZERO);
        assert!(cache.find(&question.key(), at(0), FOREVER).is_none());
        cache.keep(&question, &told, Duration::from_secs(30));
        assert!(cache.find(&question.key(), at(9), FOREVER).is_some());
        assert!(cache.find(&question.key(), at(10), FOREVER).is_none());
    }

    #[test]
    fn only_that_anybody_may_read_a_project_lasts_longer_than_it_is_to_be_remembered() {
        let cache = Cache::default();
        let archive = crate::upstream::ArchiveAt { project_id: 7, job_id: 8, as_dependency: false };
        let question = Question::Artifact(Asker::NOBODY, archive);
        let told = Told { answer: Answer::Archive, asked_at: at(0) };
        cache.keep(&question, &told, Duration::from_secs(30));
        let is_known = |now| cache.find(&question.key(), at(now), FOREVER).is_some();
        assert!(is_known(29) && !is_known(30));
    }

    #[test]
    fn a_user_is_forgotten_with_everything_that_his_tokens_were_told() {
        let cache = Cache::default();
        let remember = Duration::from_secs(30);
        let facts = |user_id| {
            let scopes = crate::domain::scope::Scopes::READ;
            Answer::Token(crate::upstream::TokenFacts { user_id, scopes, expires_at: None })
        };
        let yes = Answer::MayRead { project_id: 7, path: None };
        for (token, user) in [("a", 1), ("b", 2)] {
            let keep = |question: Question, answer: &Answer| {
                cache.keep(&question, &Told { answer: answer.clone(), asked_at: at(0) }, remember);
            };
            keep(Question::Token(asker(token)), &facts(user));
            keep(Question::MayRead(asker(token), ProjectKey::Id(7)), &yes);
        }
        cache.forget_user(1);
        let is_known = |question: Question| cache.find(&question.key(), at(0), FOREVER).is_some();
        for (token, stays) in [("a", false), ("b", true)] {
            assert_eq!(is_known(Question::Token(asker(token))), stays);
            assert_eq!(is_known(Question::MayRead(asker(token), ProjectKey::Id(7))), stays);
        }
    }
}
