//! A request beside a transaction of the test, which holds it up: so PostgreSQL alone orders the two.

use std::thread::JoinHandle;

use artigate::catalog::Db;
use diesel::RunQueryDsl;

use super::http_client::Answer;

/// Sends a request beside what the test does.
pub fn beside(send: impl FnOnce() -> Answer + Send + 'static) -> JoinHandle<Answer> {
    std::thread::spawn(send)
}

/// Waits until another transaction waits for a lock that this one holds.
pub fn until_another_waits(db: &mut Db) -> artigate::domain::Result<()> {
    let look = "DO $$ BEGIN
        WHILE NOT EXISTS (SELECT FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))) LOOP
            PERFORM pg_sleep(0.001);
        END LOOP;
    END $$";
    Ok(diesel::sql_query(look).execute(db).map(drop)?)
}
