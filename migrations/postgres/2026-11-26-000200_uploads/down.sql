DROP TABLE signing_keys;
DROP TABLE upload_pieces;
DROP TABLE uploads;
ALTER TABLE artifacts DROP COLUMN crc32;
ALTER TABLE artifacts DROP COLUMN sha1;
