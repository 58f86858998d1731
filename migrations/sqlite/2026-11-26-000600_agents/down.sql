ALTER TABLE projects DROP COLUMN steps;
DROP TABLE log_chunks;
DROP TABLE agent_jobs;
DROP TABLE agents;
