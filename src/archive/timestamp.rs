//! MS-DOS date and time fields as Unix seconds. They carry no time zone and runners write
//! their local time; they are read as UTC, so hours may be off. Prefer the extended timestamp.

use chrono::{DateTime, Datelike, Timelike};

/// 1980-01-01 00:00:00 and 2107-12-31 23:59:58.
const FIRST: i64 = 315_532_800;
const LAST: i64 = 4_354_819_198;

/// Returns seconds since 1970 for the date and time of a directory record; `None` if they are no valid time
/// (a date of zero is what writers without a clock leave).
pub(super) fn unix_seconds(dos_date: u16, dos_time: u16) -> Option<i64> {
    let date = i64::from(dos_date);
    let time = i64::from(dos_time);
    let days = days_since_1970(1980 + (date >> 9), date >> 5 & 15, date & 31)?;
    let (hour, minute, second) = (time >> 11, time >> 5 & 63, (time & 31) * 2);
    (hour < 24 && minute < 60 && second < 60).then(|| days * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Returns the date and time fields of a directory record, rounded down to two seconds. Times before 1980 and
/// after 2107 become the first and the last that fit.
pub(super) fn dos_fields(unix_seconds: i64) -> (u16, u16) {
    let moment = DateTime::from_timestamp(unix_seconds.clamp(FIRST, LAST), 0).unwrap_or_default();
    // The bounds hold the year in 7 bits; chrono's other fields fit theirs.
    let years = (moment.year() - 1980) as u32;
    let date = years << 9 | moment.month() << 5 | moment.day();
    let time = moment.hour() << 11 | moment.minute() << 5 | (moment.second() / 2);
    (date as u16, time as u16)
}

fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = |month| match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1..=12).contains(&month) || !(1..=month_days(month)).contains(&day) {
        return None;
    }
    let leap_days_before = |year: i64| (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    let leap_days = leap_days_before(year) - leap_days_before(1970);
    let earlier_months: i64 = (1..month).map(month_days).sum();
    Some((year - 1970) * 365 + leap_days + earlier_months + day - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{FIRST, LAST, dos_fields, unix_seconds};

    fn date(year: u16, month: u16, day: u16) -> u16 {
        (year - 1980) << 9 | month << 5 | day
    }

    fn time(hour: u16, minute: u16, second: u16) -> u16 {
        (hour << 11) + (minute << 5) + second / 2
    }

    #[test]
    fn dates_around_leap_days_are_right() {
        let at = |y, m, d| unix_seconds(date(y, m, d), time(12, 34, 56));
        assert_eq!(at(1980, 1, 1), Some(315_578_096));
        assert_eq!(at(2000, 2, 29), Some(951_827_696));
        assert_eq!(at(2024, 3, 1), Some(1_709_296_496));
        assert_eq!(at(2100, 3, 1), Some(4_107_587_696));
        assert_eq!(at(2107, 12, 31), Some(4_354_778_096));
    }

    #[test]
    fn moments_that_never_were_are_none() {
        assert_eq!(unix_seconds(0, 0), None);
        assert_eq!(unix_seconds(date(2023, 2, 29), 0), None);
        assert_eq!(unix_seconds(date(2100, 2, 29), 0), None);
        assert_eq!(unix_seconds(date(2024, 13, 1), 0), None);
        assert_eq!(unix_seconds(date(2024, 1, 1), time(24, 0, 0)), None);
        assert_eq!(unix_seconds(date(2024, 1, 1), 60 << 5), None);
        assert_eq!(unix_seconds(date(2024, 1, 1), 30), None);
    }

    proptest! {
        #[test]
        fn fields_come_back_from_the_moment_that_they_name(seconds in FIRST..=LAST) {
            let (date, time) = dos_fields(seconds);
            prop_assert_eq!(unix_seconds(date, time), Some(seconds - seconds % 2));
        }
    }

    #[test]
    fn moments_that_do_not_fit_become_the_nearest_that_does() {
        for (seconds, nearest) in [(i64::MIN, FIRST), (0, FIRST), (LAST + 2, LAST), (i64::MAX, LAST)] {
            let (date, time) = dos_fields(seconds);
            assert_eq!(unix_seconds(date, time), Some(nearest));
        }
    }
}
