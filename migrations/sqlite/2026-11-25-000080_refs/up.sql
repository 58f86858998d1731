-- The branches and the tags of a project, each with its newest pipeline first: a list of them is a step from
-- one name to the next. Names are in the order of their bytes.
CREATE INDEX pipelines_by_head ON pipelines (project_id, tag, ref, id DESC) WHERE source <> 'parent_pipeline';
