DROP INDEX projects_to_check;
DROP INDEX projects_gone;
ALTER TABLE projects DROP COLUMN check_at;
ALTER TABLE projects DROP COLUMN seen_by;
ALTER TABLE projects DROP COLUMN seen_at;
ALTER TABLE projects DROP COLUMN gone_at;
