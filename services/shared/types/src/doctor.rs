//! What `doctor` says: the same words in the platform's CLI, the agent and the relay. Pure; whoever runs the checks
//! hands in what they measured.

use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// How a check went. Ordered by badness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// As it should be.
    Ok,
    /// Works, but somebody should look at it.
    Warn,
    /// Does not work.
    Fail,
}

impl CheckStatus {
    /// The word of the JSON form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Stable name, such as `clock.skew`.
    pub id: String,
    /// How it went.
    pub status: CheckStatus,
    /// The measured value with its unit, or why nothing could be measured. No secrets: people send this to support.
    pub measured: String,
    /// What to do about it; `None` when there is nothing to do.
    pub remedy: Option<String>,
}

impl Check {
    /// As it should be.
    pub fn ok(id: &str, measured: impl Into<String>) -> Self {
        Self {
            id: id.to_owned(),
            status: CheckStatus::Ok,
            measured: measured.into(),
            remedy: None,
        }
    }

    /// Somebody should look at it.
    pub fn warn(id: &str, measured: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            status: CheckStatus::Warn,
            remedy: Some(remedy.into()),
            ..Self::ok(id, measured)
        }
    }

    /// Does not work.
    pub fn fail(id: &str, measured: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            status: CheckStatus::Fail,
            ..Self::warn(id, measured, remedy)
        }
    }

    /// By two limits: below the first is ok, below the second a warning, else a failure.
    pub fn by_limits(id: &str, value: f64, unit: &str, limits: [f64; 2], remedy: &str) -> Self {
        let measured = format!("{value} {unit}");
        match value {
            v if v < limits[0] => Self::ok(id, measured),
            v if v < limits[1] => Self::warn(id, measured, remedy),
            _ => Self::fail(id, measured, remedy),
        }
    }
}

/// All checks of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorReport {
    /// In the order in which they were made.
    pub checks: Vec<Check>,
}

impl DoctorReport {
    /// From checks.
    pub fn new(checks: impl IntoIterator<Item = Check>) -> Self {
        Self {
            checks: checks.into_iter().collect(),
        }
    }

    /// The worst status; ok when nothing was checked.
    #[must_use]
    pub fn status(&self) -> CheckStatus {
        self.checks
            .iter()
            .map(|check| check.status)
            .max()
            .unwrap_or(CheckStatus::Ok)
    }

    /// The process's exit code: 0 all well, 1 something does not work, 3 only warnings.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.status() {
            CheckStatus::Ok => 0,
            CheckStatus::Fail => 1,
            CheckStatus::Warn => 3,
        }
    }

    /// A table for people: status, id, measured value; remedies below their check.
    #[must_use]
    pub fn to_text(&self) -> String {
        let width = self
            .checks
            .iter()
            .map(|check| check.id.chars().count())
            .max()
            .unwrap_or(0);
        let mut text = String::new();
        for check in &self.checks {
            // Writing to a String does not fail.
            let _ = writeln!(
                text,
                "{:<4}  {:<width$}  {}",
                check.status.as_str(),
                check.id,
                line(&check.measured)
            );
            if let Some(remedy) = &check.remedy {
                let _ = writeln!(text, "      {:<width$}  → {}", "", line(remedy));
            }
        }
        text
    }

    /// One object: `{"status", "checks": [{"id", "status", "measured", "remedy"}]}`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "status": self.status(), "checks": self.checks })
    }
}

/// Measured values may come from other programs: a check stays on its line, and no terminal is told anything.
fn line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(statuses: &[CheckStatus]) -> DoctorReport {
        DoctorReport::new(statuses.iter().map(|status| Check {
            status: *status,
            ..Check::ok("disk.free", "3 GiB")
        }))
    }

    #[test]
    fn the_worst_check_decides_the_exit_code() {
        use CheckStatus::{Fail, Ok, Warn};
        for (statuses, code) in [
            (&[][..], 0),
            (&[Ok, Ok], 0),
            (&[Ok, Warn], 3),
            (&[Fail, Ok, Warn], 1),
        ] {
            assert_eq!(report(statuses).exit_code(), code, "{statuses:?}");
        }
    }

    #[test]
    fn people_read_columns_and_remedies() {
        let report = DoctorReport::new([
            Check::ok("clock.skew", "0.2 s"),
            Check::fail("disk", "12 MiB\u{1b}[2J\nfree", "free space under /var"),
        ]);
        assert_eq!(
            report.to_text(),
            "ok    clock.skew  0.2 s\n\
             fail  disk        12 MiB [2J free\n                  → free space under /var\n"
        );
    }

    #[test]
    fn programs_read_json() {
        let json = report(&[CheckStatus::Ok]).to_json();
        assert_eq!(json["status"], "ok");
        assert_eq!(json["checks"][0]["id"], "disk.free");
        assert_eq!(json["checks"][0]["remedy"], serde_json::Value::Null);
        let read: DoctorReport = serde_json::from_value(json).unwrap();
        assert_eq!(read, report(&[CheckStatus::Ok]));
    }

    #[test]
    fn limits_are_exclusive() {
        let check =
            |value| Check::by_limits("clock.skew", value, "s", [1.0, 60.0], "set the clock").status;
        assert_eq!(
            [check(0.9), check(1.0), check(60.0)],
            [CheckStatus::Ok, CheckStatus::Warn, CheckStatus::Fail]
        );
        assert_eq!(check(f64::NAN), CheckStatus::Fail);
    }
}
