//! What vendors take out of what others say (VEX: not affected, fixed).
//!
//! An exemption speaks of the CVEs of its own advisory. It takes out the hit of any advisory, of whatever feed, all of whose CVEs are exempt
//! for the version at hand; one that has another CVE besides stays.

use super::Hits;
use crate::domain::affected::Status;
use crate::domain::interval::Interval;
use netpatch_types::version::Version;
use std::collections::HashMap;

/// Versions that a vendor exempts, and from which CVEs.
#[derive(Clone, Debug)]
pub(super) struct Exempt {
    pub(super) interval: Interval,
    pub(super) cves: Box<[u64]>,
}

/// A hit that was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cleared {
    /// The advisory that would apply.
    pub advisory: u32,
    /// The advisory whose vendor says otherwise.
    pub by: u32,
    /// What it says: not affected, or fixed.
    pub status: Status,
}

/// Takes out of the hits what is exempt at this version.
pub(super) fn take_out<'a, E: Iterator<Item = &'a Exempt>>(
    hits: &mut Hits<'_>,
    exempt: impl Fn() -> E,
    cves: &HashMap<u32, Box<[u64]>>,
    version: &Version,
) {
    let here: Vec<&Exempt> = exempt()
        .filter(|one| !one.interval.ends_before(version) && one.interval.has(version))
        .collect();
    if here.is_empty() {
        return;
    }
    let mut cleared = Vec::new();
    hits.intervals.retain(|hit| {
        let own = here
            .iter()
            .find(|one| one.interval.advisory == hit.advisory);
        let by = own.or_else(|| {
            let of_hit = cves.get(&hit.advisory)?;
            let of = |cve: &u64| here.iter().find(|one| one.cves.contains(cve));
            of_hit.iter().map(of).collect::<Option<Vec<_>>>()?.pop()
        });
        if let Some(by) = by {
            cleared.push(Cleared {
                advisory: hit.advisory,
                by: by.interval.advisory,
                status: by.interval.status,
            });
        }
        by.is_none()
    });
    hits.cleared = cleared;
}
