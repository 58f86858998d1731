-- The upstream that a project or a user is learnt from, by its name in the settings; null for what is registered here.
ALTER TABLE projects ADD COLUMN upstream TEXT;
ALTER TABLE users ADD COLUMN upstream TEXT;
