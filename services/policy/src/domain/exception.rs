//! What an exception must say, and where it stands.

use super::spec::{check, check_name};
use chrono::{DateTime, Duration, Utc};
use netpatch_policy_api::{Approval, ApprovalStatus, ExceptionSpec, ExceptionStatus};
use netpatch_types::ServiceResult;

/// The longest that lateness can be accepted.
const MAX_DAYS: i64 = 731;
const MAX_NAMES: usize = 100;
const MAX_HOSTS: usize = 1_000;

/// Refuses what an exception must not say, naming the field.
pub(crate) fn check_exception(spec: &ExceptionSpec, now: DateTime<Utc>) -> ServiceResult<()> {
    check_name("name", &spec.name)?;
    check_name("owner", &spec.owner)?;
    let letters = spec.reason.trim().chars().count();
    check((3..=500).contains(&letters), "reason", || {
        "write why, in 3 to 500 characters".to_owned()
    })?;
    let covers = &spec.covers;
    let names = || covers.advisories.iter().chain(&covers.packages);
    check(names().next().is_some(), "covers", || {
        "name at least one advisory, CVE or package; nothing excepts everything".to_owned()
    })?;
    let fits = |name: &String| {
        (1..=200).contains(&name.len())
            && !name.chars().any(char::is_control)
            && name.trim() == name
    };
    let count = covers.advisories.len().max(covers.packages.len());
    check(count <= MAX_NAMES && names().all(fits), "covers", || {
        format!("at most {MAX_NAMES} advisories and packages, each of 1 to 200 bytes")
    })?;
    check(covers.hosts.len() <= MAX_HOSTS, "covers", || {
        format!("more than {MAX_HOSTS} hosts; name a group")
    })?;
    check(spec.until > now, "until", || {
        "it is over already".to_owned()
    })?;
    check(
        spec.until <= now + Duration::days(MAX_DAYS),
        "until",
        || "at most two years ahead".to_owned(),
    )
}

/// Where an exception stands.
pub(crate) fn standing(
    until: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    approval: &Approval,
    now: DateTime<Utc>,
) -> ExceptionStatus {
    if ended_at.is_some() {
        return ExceptionStatus::Ended;
    }
    match approval.status {
        ApprovalStatus::Declined | ApprovalStatus::Banned => ExceptionStatus::Declined,
        _ if until <= now => ExceptionStatus::Expired,
        ApprovalStatus::Approved if approval.logged => ExceptionStatus::InForce,
        _ => ExceptionStatus::Awaiting,
    }
}
