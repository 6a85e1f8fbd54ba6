//! `netpatch-agent doctor`: what is wrong with this agent or its host, measured, with what to do.

use crate::agent::{Status, read_status};
use crate::command::Runner;
use crate::provider::apt::Apt;
use crate::provider::{Provider as _, Providers};
use crate::state::StateFolder;
use crate::state::identity::Enrolled;
use chrono::{DateTime, Utc};
use netpatch_tunnel::identity::validity;
use netpatch_types::doctor::{Check, DoctorReport};
use std::os::unix::fs::PermissionsExt as _;

/// Below this much free space on /var updates fail.
const DISK_WARN_BYTES: u64 = 1 << 30;
const DISK_FAIL_BYTES: u64 = 256 << 20;
/// A scan older than this is stale.
const SCAN_STALE_HOURS: i64 = 26;
/// A wall clock further off than this confuses TLS and logs.
const SKEW_WARN_MS: i64 = 60_000;

/// Makes every check.
pub async fn check(state: &StateFolder, runner: &Runner, now: DateTime<Utc>) -> DoctorReport {
    let mut checks = vec![folder(state)];
    checks.extend(enrolment(state, now));
    checks.extend(session(state, now));
    checks.extend(package_manager(state, runner).await);
    checks.push(disk(runner));
    checks.push(if crate::scan::is_reboot_pending(runner.root()) {
        Check::warn(
            "reboot",
            "the host asks for a restart",
            "restart the host in its window",
        )
    } else {
        Check::ok("reboot", "not pending")
    });
    DoctorReport::new(checks)
}

fn folder(state: &StateFolder) -> Check {
    let path = state.file("");
    match std::fs::metadata(&path) {
        Ok(found) if found.permissions().mode() & 0o077 != 0 => Check::fail(
            "state-folder",
            format!("{} is open to others", path.display()),
            "chmod 700 the folder",
        ),
        Ok(_) => Check::ok("state-folder", path.display().to_string()),
        Err(error) => Check::fail(
            "state-folder",
            error.to_string(),
            "run netpatch-agent as root",
        ),
    }
}

fn enrolment(state: &StateFolder, now: DateTime<Utc>) -> Vec<Check> {
    let enrolled = match Enrolled::load(state) {
        Ok(enrolled) => enrolled,
        Err(error) => {
            return vec![Check::fail(
                "enrolment",
                error.to_string(),
                "run netpatch-agent enroll",
            )];
        }
    };
    let host = enrolled
        .enrolment
        .host
        .public(enrolled.enrolment.organization);
    let mut checks = vec![Check::ok("enrolment", host)];
    checks.push(match validity(&enrolled.certificate) {
        Err(error) => Check::fail("certificate", error.to_string(), "enrol this host anew"),
        Ok((not_before, not_after)) => {
            let days = (not_after - now.timestamp()) / 86_400;
            if now.timestamp() > not_after {
                ended_certificate(state, -days)
            } else if now.timestamp() > not_before + (not_after - not_before) * 3 / 4 {
                Check::warn(
                    "certificate",
                    format!("{days} days left"),
                    "check the session: renewal is overdue",
                )
            } else {
                Check::ok("certificate", format!("{days} days left"))
            }
        }
    });
    checks
}

/// The running agent asks for a new one by itself; what came of that it has written down.
fn ended_certificate(state: &StateFolder, days: i64) -> Check {
    let status = read_status(state).ok().flatten();
    let problem = status
        .as_ref()
        .and_then(|status| status.certificate_problem.as_deref());
    match problem {
        Some(problem) => Check::fail(
            "certificate",
            format!("ended {days} days ago: {problem}"),
            "if the platform refuses: stop the agent, then netpatch-agent enroll --again with a new token",
        ),
        None => Check::fail(
            "certificate",
            format!("ended {days} days ago"),
            "start the agent: it renews within 180 days",
        ),
    }
}

fn session(state: &StateFolder, now: DateTime<Utc>) -> Vec<Check> {
    let status = match read_status(state) {
        Ok(Some(status)) => status,
        Ok(None) => {
            return vec![Check::fail(
                "agent",
                "has never run",
                "start netpatch-agent run",
            )];
        }
        Err(error) => {
            return vec![Check::fail(
                "agent",
                error.to_string(),
                "remove status.json and restart the agent",
            )];
        }
    };
    let mut checks = Vec::new();
    if status.running {
        checks.push(Check::ok(
            "agent",
            format!("version {}, process {}", status.agent_version, status.pid),
        ));
        checks.push(connection(&status));
        checks.extend(relay(&status));
        checks.push(clock(&status));
    } else {
        // Session and clock are a running agent's.
        checks.push(Check::fail(
            "agent",
            "does not run",
            "start netpatch-agent run",
        ));
    }
    checks.push(match status.last_scan_at {
        None => Check::warn(
            "scan",
            status.scan_problem.unwrap_or_else(|| "none yet".into()),
            "wait, or read the problem",
        ),
        Some(at) if (now - at).num_hours() > SCAN_STALE_HOURS => Check::warn(
            "scan",
            format!("{} hours ago", (now - at).num_hours()),
            "read the agent's log",
        ),
        Some(_) if status.scan_problem.is_some() => Check::warn(
            "scan",
            status.scan_problem.unwrap_or_default(),
            "check sources, keys and the relay",
        ),
        Some(at) => Check::ok("scan", format!("{} minutes ago", (now - at).num_minutes())),
    });
    checks
}

/// Which relay, by which way; none where there is none and none was wanted.
fn relay(status: &Status) -> Option<Check> {
    let id = "relay.discovery";
    let refused: Vec<String> = status
        .relays_refused
        .iter()
        .map(|refused| format!("not {}: {}", refused.address, refused.reason))
        .collect();
    match (&status.relay, status.relay_found_by, &status.relay_problem) {
        (Some(relay), None, _) => Some(Check::ok(id, format!("{relay}, as named at enrolment"))),
        (Some(relay), Some(way), _) if refused.is_empty() => {
            Some(Check::ok(id, format!("{relay}, found by {way}")))
        }
        (relay, way, None) if !refused.is_empty() => {
            let used = relay.as_ref().zip(way);
            let used = used.map(|(relay, way)| format!("{relay}, found by {way}; "));
            Some(Check::warn(
                id,
                used.unwrap_or_default() + &refused.join("; "),
                "take SRV records away that name no relay of the organization, find who says on the host's links to be one, or look at that relay",
            ))
        }
        (_, _, Some(problem)) => Some(Check::warn(
            id,
            problem.clone(),
            "check the name servers in /etc/resolv.conf",
        )),
        (None, _, None) | (Some(_), Some(_), None) => None,
    }
}

fn connection(status: &Status) -> Check {
    let way = status.relay.as_ref().unwrap_or(&status.server);
    match (&status.carrier, &status.relay) {
        (None, _) => {
            let reason = status.reason.as_deref().unwrap_or("for an unknown reason");
            let remedy = if status.certificate_problem.is_some() {
                "see the certificate".to_owned()
            } else {
                format!("check that {way} is right and answers over UDP, or the platform over TCP")
            };
            Check::fail("session", format!("down: {reason}"), remedy)
        }
        (Some(carrier), Some(relay)) if carrier != "relay" => Check::warn(
            "session",
            "up, past the relay",
            format!("check the relay {relay}"),
        ),
        (Some(carrier), _) if carrier == "tcp" => Check::warn(
            "session",
            format!("up, with {way} over TCP"),
            format!(
                "let UDP through to {way}: it is faster, and the agent returns to it by itself"
            ),
        ),
        (Some(_), _) => Check::ok("session", format!("up, with {way}")),
    }
}

fn clock(status: &Status) -> Check {
    match status.clock_skew_ms {
        None => Check::warn(
            "clock",
            "not confirmed since boot",
            "windows stay closed until the platform is reached",
        ),
        Some(skew) if skew.abs() > SKEW_WARN_MS => Check::warn(
            "clock",
            format!("{} s off", skew / 1000),
            "synchronise the host's clock",
        ),
        Some(skew) => Check::ok("clock", format!("{} s off", skew / 1000)),
    }
}

async fn package_manager(state: &StateFolder, runner: &Runner) -> Vec<Check> {
    let providers = Providers::of_host(runner, &state.file("")).await;
    let installer = providers.installer();
    if !installer.detect().await {
        return vec![Check::fail(
            "package-manager",
            "none that this version knows",
            "install apt, dnf, pacman, zypper or apk",
        )];
    }
    let mut checks = vec![match installer.inventory().await {
        Ok(found) => Check::ok(
            "package-manager",
            format!("{}, {} packages", installer.name(), found.components.len()),
        ),
        Err(failure) => Check::fail(
            "package-manager",
            failure.to_string(),
            "repair the package manager's database",
        ),
    }];
    let apt = Apt::new(runner.clone(), state.file("apt"));
    if installer.name() != apt.name() {
        return checks;
    }
    checks.push(match apt.lock_holder() {
        None => Check::ok("package-lock", "free"),
        Some(pid) => Check::warn(
            "package-lock",
            format!("held by process {pid}"),
            "wait until it has ended",
        ),
    });
    checks.push(match apt.audit().await {
        Ok(lines) if lines.is_empty() => Check::ok("package-audit", "clean"),
        Ok(lines) => Check::fail("package-audit", lines.join(" "), "run dpkg --configure -a"),
        Err(failure) => Check::fail("package-audit", failure.to_string(), "run dpkg --audit"),
    });
    checks
}

fn disk(runner: &Runner) -> Check {
    let free = crate::facts::disk_free_bytes(&runner.outside("/var"));
    let measured = format!("{} MiB free on /var", free >> 20);
    match free {
        free if free < DISK_FAIL_BYTES => Check::fail("disk", measured, "free space on /var"),
        free if free < DISK_WARN_BYTES => Check::warn("disk", measured, "free space on /var"),
        _ => Check::ok("disk", measured),
    }
}
