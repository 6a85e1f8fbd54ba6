//! The status for people: a word, then a sentence a line.

use super::{RunStatus, Status};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use std::fmt::Write as _;

impl Status {
    /// A line for each thing worth knowing; `now` tells whether the certificate still holds.
    #[must_use]
    pub fn to_text(&self, now: DateTime<Utc>) -> String {
        let mut text = String::new();
        for (name, value) in self.lines(now) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name:<13}{value}");
        }
        text
    }

    fn lines(&self, now: DateTime<Utc>) -> Vec<(&'static str, String)> {
        let mut lines = vec![
            ("host", self.host_id.clone()),
            ("agent", self.agent()),
            ("session", self.session_line()),
            ("certificate", self.certificate(now)),
            ("time", self.time()),
            ("ring", self.ring_line()),
            ("mode", self.mode().to_owned()),
            ("last scan", self.scan()),
        ];
        if let (Some(relay), Some(way)) = (&self.relay, self.relay_found_by) {
            lines.push(("relay", format!("{relay}, found by {way}")));
        }
        if self.direct_forbidden {
            let waits = match (self.carrier.as_deref(), &self.relay) {
                (None, Some(_)) => "; the relay is waited for",
                (Some("relay"), _) => "",
                _ => "; no relay is known yet",
            };
            let text = format!("the site forbids to go past its relays{waits}");
            lines.push(("way", text));
        }
        for refused in &self.relays_refused {
            let text = format!("not {}: {}", refused.address, refused.reason);
            lines.push(("relay", text));
        }
        if let Some(problem) = &self.relay_problem {
            lines.push(("relay", format!("not looked for: {problem}")));
        }
        if let Some(at) = self.scheduled_scan_at {
            let text = format!("{}, as {}", shown(at), self.scan_schedule);
            lines.push(("next scan", text));
        }
        if let Some(problem) = &self.scan_problem {
            lines.push(("problem", problem.clone()));
        }
        if self.reboot_pending {
            lines.push(("restart", "the host asks for a restart".to_owned()));
        }
        if let Some(problem) = &self.order_problem {
            lines.push(("orders", format!("not taken now: {problem}")));
        }
        lines.extend(self.runs.iter().map(|run| ("run", run.line())));
        lines
    }

    fn agent(&self) -> String {
        let version = &self.agent_version;
        if self.running {
            let since = shown(self.started_at);
            format!("{version}, process {}, running since {since}", self.pid)
        } else {
            format!("{version}, does not run; what follows is what it wrote last")
        }
    }

    fn session_line(&self) -> String {
        let since = shown(self.session_since);
        match (self.carrier.as_deref(), &self.relay) {
            (Some("relay"), Some(relay)) => format!("up since {since}, through the relay {relay}"),
            (Some(carrier), relay) => {
                let past = relay
                    .as_ref()
                    .map(|relay| format!(", past the relay {relay}"));
                let over = if carrier == "tcp" { " over TCP" } else { "" };
                let past = past.unwrap_or_default();
                format!("up since {since}, directly to {}{over}{past}", self.server)
            }
            (None, _) => {
                let reason = self.reason.as_deref().unwrap_or("for an unknown reason");
                format!("down since {since}: {reason}")
            }
        }
    }

    fn certificate(&self, now: DateTime<Utc>) -> String {
        let mut text = match self.certificate_expires_at {
            None => "not read yet".to_owned(),
            Some(end) if end < now => format!("ended {}", shown(end)),
            Some(end) => format!("until {}", shown(end)),
        };
        if let Some(problem) = &self.certificate_problem {
            text.push_str(": ");
            text.push_str(problem);
        }
        text
    }

    fn time(&self) -> String {
        let skew = self.clock_skew_ms.map(TimeDelta::milliseconds);
        match skew.map(|skew| skew.num_seconds()) {
            _ if !self.time_confirmed => {
                "not confirmed by the platform since boot: windows stay closed".to_owned()
            }
            Some(ahead) if ahead > 0 => format!("confirmed; the host's clock is {ahead} s ahead"),
            Some(behind) if behind < 0 => {
                format!("confirmed; the host's clock is {} s behind", -behind)
            }
            _ => "confirmed".to_owned(),
        }
    }

    fn ring_line(&self) -> String {
        let ring = self.ring.as_deref().filter(|ring| !ring.is_empty());
        ring.unwrap_or("none yet").to_owned()
    }

    fn mode(&self) -> &'static str {
        if self.audit_only {
            "audit only: reports, refuses every order"
        } else {
            "obeys signed orders"
        }
    }

    fn scan(&self) -> String {
        let Some(at) = self.last_scan_at else {
            return "none yet".to_owned();
        };
        let mut text = format!(
            "{}: {} packages, {} updates can be installed",
            shown(at),
            self.components,
            self.installable
        );
        if self.not_installable > 0 {
            let _ = write!(
                text,
                ", {} more are held, phased or kept back",
                self.not_installable
            );
        }
        text
    }
}

impl RunStatus {
    fn line(&self) -> String {
        let cause = self.cause.as_deref();
        let cause = cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
        let at = self.at.map(|at| shown(at) + " ").unwrap_or_default();
        let message = &self.message;
        let detail = if message.is_empty() || *message == self.state {
            String::new()
        } else {
            format!(": {message}")
        };
        let told = match &self.report_problem {
            Some(problem) => format!("; the platform does not store it: {problem}"),
            None if self.told => String::new(),
            None => "; not told yet".to_owned(),
        };
        format!(
            "{at}{}{cause}{detail}; deployment {}, order {}{told}",
            self.state, self.deployment, self.sequence
        )
    }
}

/// To the second: more is noise for a person.
fn shown(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        let json = r#"{
            "agentVersion": "0.1.0", "hostId": "host_1", "server": "edge.example:443", "relay": "10.0.0.1:8443",
            "running": true, "pid": 7, "startedAt": "2026-01-15T12:00:00Z", "session": "up", "carrier": "relay",
            "reason": null, "sessionSince": "2026-01-15T12:00:01.25Z", "timeConfirmed": true, "clockSkewMs": -3000,
            "auditOnly": false, "ring": "", "certificateExpiresAt": "2026-02-14T12:00:00Z", "lastScanAt": null,
            "scanProblem": null, "components": 0, "installable": 0, "notInstallable": 0, "rebootPending": false,
            "runs": []
        }"#;
        serde_json::from_str(json).expect("a status")
    }

    fn line(status: &Status, name: &str) -> String {
        let now = "2026-01-20T00:00:00Z".parse().expect("a time");
        let text = status.to_text(now);
        let found = text.lines().find_map(|line| line.strip_prefix(name));
        found.expect(name).trim().to_owned()
    }

    #[test]
    fn a_person_reads_what_is_and_why() {
        let mut status = status();
        assert_eq!(
            line(&status, "session"),
            "up since 2026-01-15T12:00:01Z, through the relay 10.0.0.1:8443"
        );
        assert_eq!(
            line(&status, "time"),
            "confirmed; the host's clock is 3 s behind"
        );
        assert_eq!(line(&status, "certificate"), "until 2026-02-14T12:00:00Z");
        assert_eq!(line(&status, "last scan"), "none yet");
        status.carrier = Some("tcp".into());
        assert_eq!(
            line(&status, "session"),
            "up since 2026-01-15T12:00:01Z, directly to edge.example:443 over TCP, past the relay 10.0.0.1:8443"
        );
        status.carrier = None;
        status.reason = Some("no answer".into());
        status.certificate_expires_at = "2026-01-16T12:00:00Z".parse().ok();
        status.certificate_problem = Some("the platform says no".into());
        assert_eq!(
            line(&status, "session"),
            "down since 2026-01-15T12:00:01Z: no answer"
        );
        assert_eq!(
            line(&status, "certificate"),
            "ended 2026-01-16T12:00:00Z: the platform says no"
        );
    }
}
