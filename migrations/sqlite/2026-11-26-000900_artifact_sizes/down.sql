DROP INDEX artifacts_by_size;
