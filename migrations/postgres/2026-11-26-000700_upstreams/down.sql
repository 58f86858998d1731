ALTER TABLE users DROP COLUMN upstream;
ALTER TABLE projects DROP COLUMN upstream;
