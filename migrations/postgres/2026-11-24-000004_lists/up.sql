-- The lists of a project, a page of which is read from one index without a visit to the rows. A child
-- pipeline is listed only on request, so the indexes leave it out. updated_at comes last in them: it
-- is tested beside the others, and nothing is sorted by it there.
CREATE INDEX jobs_by_status ON jobs (project_id, status, id);
CREATE INDEX pipelines_by_project ON pipelines (project_id, id, status, updated_at) WHERE source <> 'parent_pipeline';
CREATE INDEX pipelines_by_status ON pipelines (project_id, status, id, updated_at) WHERE source <> 'parent_pipeline';
CREATE INDEX pipelines_of_ref ON pipelines (project_id, ref, id, tag, updated_at) WHERE source <> 'parent_pipeline';
CREATE INDEX pipelines_by_update ON pipelines (project_id, updated_at, id) WHERE source <> 'parent_pipeline';
CREATE INDEX pipelines_by_user ON pipelines (project_id, user_id, id) WHERE source <> 'parent_pipeline';
CREATE INDEX pipelines_by_source ON pipelines (project_id, source, id);
CREATE INDEX pipelines_by_sha ON pipelines (project_id, sha, id);
