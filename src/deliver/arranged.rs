//! Arranged folders and comparisons of what stands for jobs' archives, for people who look at them.

use std::ops::Range;

use super::index_cache::Indexed;
use super::{Deliver, open_artifact};
use crate::archive::{
    ArchiveError, ArrangedFolder, ArrangedItem, Arrangement, Comparison, Index, front_page,
};
use crate::catalog::artifacts::Artifact;
use crate::domain::{Error, ErrorKind, Result};

/// What stands for a job's archive.
#[derive(Debug, Clone, Copy)]
pub struct Contents<'a> {
    /// The archive.
    pub archive: Option<&'a Artifact>,
    /// Single files, which come before entries of the same path.
    pub files: &'a [Artifact],
}

/// The files of an archive that a search has found.
#[derive(Debug, Clone)]
pub struct FoundFiles {
    /// How many entries were looked at.
    pub entries: usize,
    /// The first of those that were found.
    pub files: Vec<ArrangedItem>,
}

impl Deliver {
    /// Arranges a folder; `None` if there is no such folder.
    ///
    /// # Errors
    /// `Unprocessable` when the archive is not readable; `Internal` when its bytes cannot be read; `Unavailable`
    /// when too many others request such work.
    pub async fn arranged(
        &self,
        contents: Contents<'_>,
        wanted: Arrangement,
    ) -> Result<Option<ArrangedFolder>> {
        self.with_indexes(contents, move |indexes| ArrangedFolder::of(indexes, &wanted)).await
    }

    /// Finds the files before and after the one at `path` in its folder, by name.
    ///
    /// # Errors
    /// As [`Deliver::arranged`].
    pub async fn neighbours(
        &self,
        contents: Contents<'_>,
        path: String,
    ) -> Result<(Option<String>, Option<String>)> {
        self.with_indexes(contents, move |indexes| ArrangedFolder::neighbours(indexes, &path)).await
    }

    /// Returns the deepest folder above `path` that is there.
    ///
    /// # Errors
    /// As [`Deliver::arranged`].
    pub async fn nearest_folder(&self, contents: Contents<'_>, path: String) -> Result<String> {
        self.with_indexes(contents, move |indexes| ArrangedFolder::nearest(indexes, &path)).await
    }

    /// Finds the HTML file with which a person begins to look; `None` if there is none.
    ///
    /// # Errors
    /// As [`Deliver::arranged`].
    pub async fn front_page(&self, contents: Contents<'_>) -> Result<Option<String>> {
        self.with_indexes(contents, front_page).await
    }

    /// Counts the files of an archive.
    ///
    /// # Errors
    /// As [`Deliver::arranged`].
    pub async fn count_files(&self, archive: &Artifact) -> Result<usize> {
        let blob = open_artifact(&self.store, archive).await?;
        self.indexes.work(archive, &blob, |known| known.files().len()).await?.map_err(unreadable)
    }

    /// Finds the files of an archive whose paths contain `text`, which is not empty: the first `most` by their paths.
    /// The caller bounds how long it waits; `turn`, which bounds how many search at a time, is held until the search has
    /// ended.
    ///
    /// # Errors
    /// As [`Deliver::arranged`].
    pub async fn find_by_name(
        &self,
        archive: &Artifact,
        text: String,
        most: usize,
        turn: impl Send + 'static,
    ) -> Result<FoundFiles> {
        let wanted = Arrangement { search: Some(text), window: 0..most, ..Arrangement::default() };
        let find = move |indexes: &[&Index]| {
            // Until the search has ended, also if nobody waits for it any more.
            let _turn = turn;
            let found = ArrangedFolder::of(indexes, &wanted);
            let entries = indexes.iter().map(|index| index.len()).sum();
            FoundFiles { entries, files: found.map_or_else(Vec::new, |found| found.items) }
        };
        self.with_indexes(Contents { archive: Some(archive), files: &[] }, find).await
    }

    /// Compares two archives, and lists the differences in `window`.
    ///
    /// # Errors
    /// As [`Deliver::arranged`].
    pub async fn compared(
        &self,
        before: &Artifact,
        after: &Artifact,
        window: Range<usize>,
    ) -> Result<Comparison> {
        let earlier = open_artifact(&self.store, before).await?;
        let later = open_artifact(&self.store, after).await?;
        let work = move |one: &Indexed, other: &Indexed| Comparison::of(&one.index, &other.index, &window);
        let compared = self.indexes.work_on_two((before, &earlier), (after, &later), work).await?;
        compared.map_err(unreadable)
    }

    /// Runs `work` on the indexes of single files, if there are any, and of the archive.
    async fn with_indexes<T: Send + 'static>(
        &self,
        Contents { archive, files }: Contents<'_>,
        work: impl FnOnce(&[&Index]) -> T + Send + 'static,
    ) -> Result<T> {
        let own = if files.is_empty() { None } else { Some(self.assembled(files.to_vec())?.index()?) };
        let Some(archive) = archive else {
            return Ok(work(&own.iter().collect::<Vec<_>>()));
        };
        let blob = open_artifact(&self.store, archive).await?;
        let on_all = move |known: &Indexed| {
            let indexes: Vec<&Index> = own.iter().chain([&known.index]).collect();
            work(&indexes)
        };
        self.indexes.work(archive, &blob, on_all).await?.map_err(unreadable)
    }
}

fn unreadable(fault: ArchiveError) -> Error {
    Error::new(ErrorKind::Unprocessable, fault.to_string())
}
