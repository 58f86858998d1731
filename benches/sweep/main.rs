//! Benchmark of a sweep of many expired artifacts while readers keep reading: its speed, and the readers'
//! latency.
//!
//! `tests/run --with cargo bench --bench sweep` sweeps a million artifacts on SQLite and on PostgreSQL; a
//! number after `--` sets the count. Blobs, rows, server and sweep are real, each as it runs by itself.

mod readers;
mod seed;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use readers::Latencies;

/// How long readers are watched before the sweep begins.
const QUIET: Duration = Duration::from_secs(5);

fn main() {
    let count = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    println!(
        "| database | artifacts | seconds | artifacts/s | readers' p50 / p99, quiet | during the sweep |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    sweep("SQLite", None, count);
    match std::env::var("ARTIGATE_TEST_POSTGRES") {
        Ok(server) => {
            let database = seed::create_postgres_database(&server);
            sweep("PostgreSQL", Some(&database), count);
        }
        Err(_) => eprintln!("no PostgreSQL: run this through tests/run --with"),
    }
}

/// Seeds a gateway, reads from it, sweeps it, and prints a row of the table.
fn sweep(name: &str, postgres: Option<&str>, count: u64) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder below target/");
    let began = Instant::now();
    seed::seed(folder.path(), postgres, count);
    eprintln!("{name}: {count} artifacts made in {:.0} s", began.elapsed().as_secs_f64());
    let serving = Serving::start(folder.path(), postgres);
    let quiet = readers::watch(&serving.address, || std::thread::sleep(QUIET));
    let began = Instant::now();
    let mut said = String::new();
    let sweeping = readers::watch(&serving.address, || {
        let output = artigate(folder.path(), postgres, "sweep").output().expect("the program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        said = String::from_utf8_lossy(&output.stdout).into_owned();
    });
    let seconds = began.elapsed().as_secs_f64();
    assert!(
        said.starts_with(&format!("{count} artifacts expired, {count} blobs deleted, 0 failed")),
        "{said}"
    );
    println!(
        "| {name} | {count} | {seconds:.1} | {:.0} | {} | {} |",
        count as f64 / seconds,
        shown(&quiet),
        shown(&sweeping)
    );
}

fn shown(latencies: &Latencies) -> String {
    let millis = |fraction| latencies.percentile(fraction).as_secs_f64() * 1e3;
    format!("{:.2} / {:.2} ms of {}", millis(0.5), millis(0.99), latencies.count())
}

/// The program with settings of its own.
fn artigate(folder: &Path, postgres: Option<&str>, command: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_artigate"));
    program.current_dir(folder).arg(command).stdin(Stdio::null()).env("ARTIGATE_LOG", "warn");
    program.env("ARTIGATE_SERVER__LISTEN", "127.0.0.1:0").env("ARTIGATE_RETENTION__SWEEP_INTERVAL", "0");
    if let Some(url) = postgres {
        program.env("ARTIGATE_DATABASE__URL", url);
    }
    program
}

struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start(folder: &Path, postgres: Option<&str>) -> Self {
        let mut child = artigate(folder, postgres, "serve")
            .env("ARTIGATE_LOG", "artigate::cli=info")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut log = BufReader::new(child.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
        let line = log.find(|line| line.contains("listening on http://")).expect("it says where it listens");
        std::thread::spawn(move || log.for_each(drop));
        let address = line.split("http://").nth(1).unwrap_or_default();
        let address = address.split(' ').next().unwrap_or_default().to_owned();
        Self { child, address }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
