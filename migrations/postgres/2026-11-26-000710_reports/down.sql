DROP TABLE feed_events;
ALTER TABLE jobs DROP COLUMN told_at;
ALTER TABLE pipelines DROP COLUMN told_at;
DROP TABLE foreign_numbers;
