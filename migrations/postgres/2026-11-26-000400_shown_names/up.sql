-- The name under which lists that know no kinds show an artifact; of a long one its digest, so that it fits into an
-- index. Empty where no list shows it; NULL in rows of the release before, until they are filled.
ALTER TABLE artifacts ADD COLUMN shown_name TEXT;
-- A page of the artifacts of a name, and how many there are, is read without a visit to the rows.
CREATE INDEX artifacts_by_shown_name ON artifacts (project_id, shown_name, state, id, accessibility);
CREATE INDEX artifacts_without_shown_name ON artifacts (id) WHERE shown_name IS NULL;
