//! When the host is scanned without being asked: every so often, or by a cron expression in the host's own time, moved by a part
//! of the jitter that is the host's own, so that the hosts of a site do not all come at once.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use netpatch_types::Sha256;
use std::fmt;
use std::time::Duration;

/// Nothing is scheduled more often.
const SHORTEST: Duration = Duration::from_secs(60);
/// Nothing waits longer: an expression may name a day that never comes.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);
/// Longest expression, bytes.
const MAX_EXPRESSION_BYTES: usize = 200;
/// Longest jitter.
const MAX_JITTER: Duration = Duration::from_secs(24 * 3600);

/// Why a schedule is refused.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSchedule {
    /// Not a cron expression.
    #[error("{expression:?} is no cron expression: {reason}")]
    Expression {
        /// What was read, cut at 80 characters.
        expression: String,
        /// Why.
        reason: String,
    },
    /// Too long to be meant.
    #[error("a jitter is at most {} s", MAX_JITTER.as_secs())]
    Jitter,
}

/// A schedule.
#[derive(Clone, Debug)]
pub struct Schedule {
    rule: Rule,
    jitter: Duration,
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Rule::Every(pause) => write!(f, "every {} s", pause.as_secs()),
            Rule::Cron(cron) => {
                write!(f, "{cron}")?;
                match self.jitter.as_secs() {
                    0 => Ok(()),
                    jitter => write!(f, " within {jitter} s"),
                }
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Rule {
    Every(Duration),
    Cron(Box<Cron>),
}

impl Schedule {
    /// Every so often, without jitter: hosts that start at different times stay apart.
    #[must_use]
    pub fn every(pause: Duration) -> Self {
        Self {
            rule: Rule::Every(pause),
            jitter: Duration::ZERO,
        }
    }

    /// By an expression of five fields, `minute hour day month weekday`, each occurrence up to `jitter` later.
    pub fn cron(expression: &str, jitter: Duration) -> Result<Self, InvalidSchedule> {
        let refused = |reason: String| InvalidSchedule::Expression {
            expression: expression.chars().take(80).collect(),
            reason,
        };
        if expression.len() > MAX_EXPRESSION_BYTES {
            return Err(refused(format!("more than {MAX_EXPRESSION_BYTES} bytes")));
        }
        if jitter > MAX_JITTER {
            return Err(InvalidSchedule::Jitter);
        }
        let cron = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build()
            .parse(expression)
            .map_err(|error| refused(error.to_string()))?;
        Ok(Self {
            rule: Rule::Cron(Box::new(cron)),
            jitter,
        })
    }

    /// How long to wait from `now` on. `host` names the host: the same one always has the same part of the jitter.
    #[must_use]
    pub fn wait(&self, now: DateTime<Utc>, zone: Tz, host: &str) -> Duration {
        let cron = match &self.rule {
            Rule::Every(pause) => return *pause,
            Rule::Cron(cron) => cron,
        };
        let own = own_part(self.jitter, host);
        // An occurrence that began less than the jitter ago may still lie before this host.
        let from = (now - own).with_timezone(&zone);
        let next = cron.find_next_occurrence(&from, false).ok();
        let wait = next.and_then(|next| (next.with_timezone(&Utc) + own - now).to_std().ok());
        wait.unwrap_or(LONGEST).clamp(SHORTEST, LONGEST)
    }
}

/// Evenly spread over hosts.
fn own_part(jitter: Duration, host: &str) -> Duration {
    let digest = Sha256::of(format!("netpatch-scan/1{host}").as_bytes()).0;
    let number = digest
        .iter()
        .take(4)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let seconds = (jitter.as_secs() * number) >> 32;
    Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone as _;

    fn at(hour: u32, minute: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 29, hour, minute, 0).unwrap()
    }

    fn minutes(schedule: &Schedule, now: DateTime<Utc>, zone: Tz, host: &str) -> u64 {
        schedule.wait(now, zone, host).as_secs() / 60
    }

    #[test]
    fn an_expression_counts_in_the_hosts_own_time() {
        let nightly = Schedule::cron("30 3 * * *", Duration::ZERO).expect("an expression");
        assert_eq!(minutes(&nightly, at(0, 0), Tz::UTC, "a"), 210);
        assert_eq!(minutes(&nightly, at(0, 0), Tz::Europe__Berlin, "a"), 150);
        assert_eq!(minutes(&nightly, at(3, 30), Tz::UTC, "a"), 24 * 60);
        let often = Schedule::cron("*/10 * * * *", Duration::ZERO).expect("an expression");
        assert_eq!(minutes(&often, at(0, 1), Tz::UTC, "a"), 9);
        let every = Schedule::every(Duration::from_secs(7200));
        assert_eq!(minutes(&every, at(0, 0), Tz::UTC, "a"), 120);
    }

    #[test]
    fn hosts_spread_over_the_jitter_and_each_keeps_its_part() {
        let jitter = Duration::from_secs(3600);
        let nightly = Schedule::cron("0 3 * * *", jitter).expect("an expression");
        let waits: Vec<u64> = (0..200)
            .map(|host| minutes(&nightly, at(2, 0), Tz::UTC, &format!("host-{host}")))
            .collect();
        assert!(
            waits.iter().all(|wait| (60..120).contains(wait)),
            "{waits:?}"
        );
        let early = waits.iter().filter(|wait| **wait < 90).count();
        assert!((60..140).contains(&early), "{early}");
        // In the middle of the hour some are over and wait a day, the others' turn still comes.
        for (host, wait) in waits.iter().enumerate() {
            let later = minutes(&nightly, at(3, 30), Tz::UTC, &format!("host-{host}"));
            let expected = if *wait >= 90 {
                wait - 90
            } else {
                wait + 24 * 60 - 90
            };
            assert!(later.abs_diff(expected) <= 1, "{wait} {later}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused_and_a_day_that_never_comes_does_not_hang() {
        for odd in [
            "",
            "* * * *",
            "61 * * * *",
            "0 0 0 0 0",
            "* * * * * *",
            "a b c d e",
            "\u{0}",
            "*/0 * * * *",
        ] {
            Schedule::cron(odd, Duration::ZERO).expect_err(odd);
        }
        Schedule::cron(&"1,".repeat(200), Duration::ZERO).expect_err("too long");
        Schedule::cron("* * * * *", Duration::from_secs(90_000)).expect_err("too much jitter");
        let never = Schedule::cron("0 0 30 2 *", Duration::ZERO).expect("an expression");
        assert_eq!(never.wait(at(0, 0), Tz::UTC, "a"), LONGEST);
        let far = Utc.with_ymd_and_hms(9999, 12, 31, 23, 59, 59).unwrap();
        let often = Schedule::cron("* * * * *", Duration::ZERO).expect("an expression");
        assert!(often.wait(far, Tz::Asia__Tokyo, "a") <= LONGEST);
    }
}
