DROP INDEX pipelines_by_head;
