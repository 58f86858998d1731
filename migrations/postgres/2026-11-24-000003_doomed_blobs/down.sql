DROP TABLE doomed_blobs;
