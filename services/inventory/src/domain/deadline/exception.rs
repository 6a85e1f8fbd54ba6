//! Exceptions move deadlines: while one is in force, what it covers is due at its end, if the rules demand an earlier date.

use chrono::{DateTime, Utc};
use netpatch_inventory_api::{Advisory, Deadline, Exception, Group, Host, MovedBy};

/// The exceptions that may cover findings of a host. One of a group that is not there covers nothing.
#[must_use]
pub fn covering<'a>(
    exceptions: &'a [Exception],
    groups: &[Group],
    host: &Host,
) -> Vec<&'a Exception> {
    let is_inside = |exception: &&Exception| {
        let covers = &exception.covers;
        let is_host = covers.hosts.is_empty() || covers.hosts.contains(&host.id);
        let is_in_group = covers.group.is_none_or(|id| {
            groups
                .iter()
                .any(|group| group.id == id && group.selector.matches(&host.labels))
        });
        is_host && is_in_group
    };
    exceptions.iter().filter(is_inside).collect()
}

/// Whether an exception is about a finding of this advisory in this package.
fn is_about(exception: &Exception, advisory: &Advisory, package: &str) -> bool {
    let covers = &exception.covers;
    let names = |name: &String| {
        advisory.name.eq_ignore_ascii_case(name)
            || advisory
                .cves
                .iter()
                .chain(&advisory.vendor_refs)
                .any(|known| known.eq_ignore_ascii_case(name))
    };
    (covers.advisories.is_empty() || covers.advisories.iter().any(names))
        && (covers.packages.is_empty() || covers.packages.iter().any(|name| name == package))
}

/// The deadline, moved by the exception that ends last. What is due with the next upgrade has no date to move.
#[must_use]
pub fn moved(
    deadline: Deadline,
    exceptions: &[&Exception],
    advisory: &Advisory,
    package: &str,
    now: DateTime<Utc>,
) -> Deadline {
    let Some(original) = deadline.due_at else {
        return deadline;
    };
    let last = exceptions
        .iter()
        .filter(|exception| exception.until > now && exception.until > original)
        .filter(|exception| is_about(exception, advisory, package))
        .max_by_key(|exception| (exception.until, exception.id));
    let Some(exception) = last else {
        return deadline;
    };
    Deadline {
        due_at: Some(exception.until),
        reason: format!(
            "exception {:?} until {} instead of {}; {}",
            exception.name,
            exception.until.format("%Y-%m-%d %H:%M UTC"),
            original.format("%Y-%m-%d"),
            deadline.reason
        ),
        moved_by: Some(MovedBy {
            exception: exception.id,
            name: exception.name.clone(),
            original_due_at: original,
        }),
        ..deadline
    }
}
