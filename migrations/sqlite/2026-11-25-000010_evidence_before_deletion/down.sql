DROP TABLE purges;
DROP TABLE leases;
DROP TABLE instance;
DROP TABLE writers;
