//! The gate behind a wave: what its hosts' runs mean for going on.

use chrono::{DateTime, Duration, Utc};
use netpatch_policy_api::Rollout;
use netpatch_scheduler_api::{RunStatus, WaveCounts};

/// A run as the gate sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunFact {
    pub(crate) status: RunStatus,
    pub(crate) confirmed: Option<bool>,
    /// Last sign of life of its agent: the newest of event and heartbeat.
    pub(crate) last_contact_at: DateTime<Utc>,
}

/// No sign of life for so long: the lease has run out.
pub(crate) const LEASE_SECONDS: i64 = 180;

impl RunFact {
    pub(crate) fn silent(&self, now: DateTime<Utc>) -> bool {
        !self.status.is_final() && now - self.last_contact_at > Duration::seconds(LEASE_SECONDS)
    }

    /// Silent for longer than the rollout waits: for the gate it has failed.
    pub(crate) fn lost(&self, rollout: &Rollout, now: DateTime<Utc>) -> bool {
        self.silent(now)
            && now - self.last_contact_at
                > Duration::seconds(i64::from(rollout.silent_after_seconds))
    }
}

/// What the gate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Hosts still run or may still start.
    Wait,
    /// Every host has ended: soak until then, and read the gate again.
    Close,
    /// Go on.
    Pass(String),
    /// Halt the deployment.
    Fail(String),
}

/// Hosts of a wave by where their newest run stands.
pub(crate) fn count(total: u64, runs: &[RunFact], now: DateTime<Utc>) -> WaveCounts {
    let mut counts = WaveCounts {
        total: total.max(runs.len() as u64),
        ..WaveCounts::default()
    };
    for run in runs {
        match run.status {
            RunStatus::Succeeded if run.confirmed == Some(false) => counts.failed += 1,
            RunStatus::Succeeded if run.confirmed == Some(true) => counts.succeeded += 1,
            // The agent says so, the next scan has not confirmed it yet.
            RunStatus::Succeeded => counts.running += 1,
            RunStatus::RolledBack => {
                counts.failed += 1;
                counts.rolled_back += 1;
            }
            RunStatus::Failed | RunStatus::RollbackFailed => counts.failed += 1,
            RunStatus::Refused | RunStatus::Expired | RunStatus::Cancelled => counts.skipped += 1,
            _ if run.silent(now) => counts.silent += 1,
            RunStatus::RebootPending | RunStatus::Rebooting => counts.reboot_pending += 1,
            _ => counts.running += 1,
        }
    }
    let started = counts.succeeded
        + counts.failed
        + counts.skipped
        + counts.silent
        + counts.reboot_pending
        + counts.running;
    counts.pending = counts.total - started;
    counts
}

/// When a wave is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) now: DateTime<Utc>,
    /// When the wave began to close, if it did.
    pub(crate) closing_at: Option<DateTime<Utc>>,
    /// No install starts after this.
    pub(crate) not_after: DateTime<Utc>,
}

/// Reads the gate of an open or closing wave.
pub(crate) fn read(total: u64, runs: &[RunFact], rollout: &Rollout, times: Times) -> Verdict {
    let counts = count(total, runs, times.now);
    let lost = runs
        .iter()
        .filter(|run| run.lost(rollout, times.now))
        .count() as u64;
    if counts.failed + lost > u64::from(rollout.max_failed) {
        let silent = if lost == 0 {
            String::new()
        } else {
            format!(" and {lost} fell silent")
        };
        return Verdict::Fail(format!(
            "{} of {} hosts failed{silent}, the gate allows {}",
            counts.failed, counts.total, rollout.max_failed
        ));
    }
    let over = times.now >= times.not_after;
    let unfinished =
        counts.running + counts.reboot_pending + (counts.silent - lost.min(counts.silent));
    let unstarted = if over { 0 } else { counts.pending };
    if unfinished + unstarted > 0 {
        return Verdict::Wait;
    }
    let Some(closing_at) = times.closing_at else {
        return Verdict::Close;
    };
    if times.now < closing_at + Duration::seconds(i64::from(rollout.soak_seconds)) {
        return Verdict::Wait;
    }
    let told = format!(
        "{} of {} hosts confirmed{}, the gate wants {} %",
        counts.succeeded,
        counts.total,
        match counts.skipped {
            0 => String::new(),
            skipped => format!(" and {skipped} skipped"),
        },
        rollout.min_success_percent
    );
    if counts.succeeded * 100 >= counts.total * u64::from(rollout.min_success_percent) {
        Verdict::Pass(told)
    } else {
        Verdict::Fail(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn run(status: RunStatus, confirmed: Option<bool>) -> RunFact {
        RunFact {
            status,
            confirmed,
            last_contact_at: at(0),
        }
    }

    fn read_at(
        total: u64,
        runs: &[RunFact],
        rollout: &Rollout,
        now: i64,
        closing: Option<i64>,
    ) -> Verdict {
        read(
            total,
            runs,
            rollout,
            Times {
                now: at(now),
                closing_at: closing.map(at),
                not_after: at(100_000),
            },
        )
    }

    #[test]
    fn success_counts_only_when_the_host_confirms_it() {
        let rollout = Rollout::default();
        assert_eq!(
            read_at(1, &[], &rollout, 0, None),
            Verdict::Wait,
            "nobody has started"
        );
        assert_eq!(
            read_at(1, &[run(RunStatus::Succeeded, None)], &rollout, 0, None),
            Verdict::Wait
        );
        let good = [run(RunStatus::Succeeded, Some(true))];
        assert_eq!(read_at(1, &good, &rollout, 0, None), Verdict::Close);
        assert!(matches!(
            read_at(1, &good, &rollout, 0, Some(0)),
            Verdict::Pass(_)
        ));
        assert!(matches!(
            read_at(
                1,
                &[run(RunStatus::Succeeded, Some(false))],
                &rollout,
                0,
                None
            ),
            Verdict::Fail(_)
        ));
    }

    #[test]
    fn one_failure_too_many_fails_at_once_and_tolerated_ones_do_not() {
        let tolerant = Rollout {
            max_failed: 1,
            min_success_percent: 50,
            ..Rollout::default()
        };
        let runs = [
            run(RunStatus::RolledBack, None),
            run(RunStatus::Succeeded, Some(true)),
        ];
        assert!(matches!(
            read_at(3, &runs, &Rollout::default(), 0, None),
            Verdict::Fail(_)
        ));
        assert_eq!(read_at(3, &runs, &tolerant, 0, None), Verdict::Wait);
        assert!(matches!(
            read_at(2, &runs, &tolerant, 0, Some(0)),
            Verdict::Pass(_)
        ));
    }

    #[test]
    fn soak_delays_and_silence_ends() {
        let rollout = Rollout {
            soak_seconds: 60,
            min_success_percent: 50,
            max_failed: 1,
            ..Rollout::default()
        };
        let good = [run(RunStatus::Succeeded, Some(true))];
        assert_eq!(read_at(1, &good, &rollout, 59, Some(0)), Verdict::Wait);
        assert!(matches!(
            read_at(1, &good, &rollout, 60, Some(0)),
            Verdict::Pass(_)
        ));
        let silent = [
            run(RunStatus::Succeeded, Some(true)),
            run(RunStatus::Installing, None),
        ];
        assert_eq!(count(2, &silent, at(181)).silent, 1);
        assert_eq!(read_at(2, &silent, &rollout, 1000, Some(0)), Verdict::Wait);
        assert!(matches!(
            read_at(2, &silent, &rollout, 3601, Some(0)),
            Verdict::Pass(_)
        ));
        assert!(
            matches!(
                read_at(2, &silent, &Rollout::default(), 3601, Some(0)),
                Verdict::Fail(_)
            ),
            "a host that is silent for so long counts as failed"
        );
    }

    #[test]
    fn a_wave_whose_hosts_all_vanished_ends_with_the_deployment_and_fails() {
        let rollout = Rollout::default();
        assert_eq!(read_at(3, &[], &rollout, 99_999, None), Verdict::Wait);
        assert_eq!(read_at(3, &[], &rollout, 100_000, None), Verdict::Close);
        assert_eq!(
            read_at(3, &[], &rollout, 100_000, Some(100_000)),
            Verdict::Fail("0 of 3 hosts confirmed, the gate wants 100 %".to_owned())
        );
    }

    #[test]
    fn skipped_hosts_are_no_failures_and_no_successes() {
        let runs = [
            run(RunStatus::Refused, None),
            run(RunStatus::Succeeded, Some(true)),
        ];
        let half = Rollout {
            min_success_percent: 50,
            ..Rollout::default()
        };
        assert!(matches!(
            read_at(2, &runs, &half, 0, Some(0)),
            Verdict::Pass(_)
        ));
        assert!(matches!(
            read_at(2, &runs, &Rollout::default(), 0, Some(0)),
            Verdict::Fail(_)
        ));
    }

    #[test]
    fn pending_is_the_cohort_minus_the_runs() {
        let counts = count(
            5,
            &[
                run(RunStatus::Installing, None),
                run(RunStatus::Refused, None),
            ],
            at(0),
        );
        assert_eq!(
            (counts.total, counts.pending, counts.running, counts.skipped),
            (5, 3, 1, 1)
        );
    }
}
