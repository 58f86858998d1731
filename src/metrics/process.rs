//! Metrics of the process, as the system tells them at each scrape.

use rustix::param::{clock_ticks_per_second, page_size};

/// Returns name, help and value of each, without those that the system does not tell.
pub(super) fn gauges() -> [(&'static str, &'static str, Option<f64>); 3] {
    let open = std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as f64);
    let resident = std::fs::read_to_string("/proc/self/statm").ok().and_then(|text| {
        let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
        Some((pages * page_size() as u64) as f64)
    });
    [
        ("process_open_fds", "Open file descriptors", open),
        ("process_resident_memory_bytes", "Memory that is not swapped out", resident),
        ("process_start_time_seconds", "When the process began, in seconds since 1970", started()),
    ]
}

/// Returns the processor time so far, in seconds.
pub(super) fn cpu_seconds() -> Option<f64> {
    let stat = stat()?;
    let ticks = stat.user + stat.system;
    Some(ticks as f64 / clock_ticks_per_second() as f64)
}

/// Times of the process, in ticks.
struct Stat {
    user: u64,
    system: u64,
    /// Since the machine was started.
    began: u64,
}

fn stat() -> Option<Stat> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name, which may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let user = fields.nth(11)?.parse().ok()?;
    let system = fields.next()?.parse().ok()?;
    let began = fields.nth(6)?.parse().ok()?;
    Some(Stat { user, system, began })
}

fn started() -> Option<f64> {
    let boot = std::fs::read_to_string("/proc/stat").ok()?;
    let boot: u64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot as f64 + stat()?.began as f64 / clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_tells_all_of_them() {
        assert!(
            gauges().iter().all(|(_, _, value)| value.is_some_and(|value| value > 0.0)),
            "{:?}",
            gauges()
        );
        assert!(cpu_seconds().is_some());
    }
}
