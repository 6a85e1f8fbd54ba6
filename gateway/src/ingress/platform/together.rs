//! What every session asks when it begins and looks again, put together: one statement for many sessions.

use super::super::gather::Gather;
use super::super::services::{NotAdmitted, RELAY_HINTS, Ways};
use super::PlatformParts;
use netpatch_inventory_api::{HostPlace, HostPlaces, HostQuarantined};
use netpatch_policy_api::{Membership, MembershipGet, MembershipList};
use netpatch_protocol::IdentityName;
use netpatch_protocol::refused::{MAX_CERTIFICATES, MAX_HOSTS};
use netpatch_scheduler_api::{DocumentsForHost, DocumentsForHosts};
use netpatch_types::{ErrorCode, HostId, OrganizationId, ServiceResult, Sha256, SiteId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// An agent waits for the answer.
const SOON: Duration = Duration::from_millis(20);
/// Nobody waits: what is there is sent.
const LATER: Duration = Duration::from_millis(50);

/// The questions, by kind.
pub(super) struct Together {
    /// Whether a certificate is not revoked.
    pub(super) certificates: Gather<(IdentityName, Sha256), bool>,
    /// Where a host stands.
    pub(super) places: Gather<HostId, Option<HostPlace>>,
    /// By which ways the hosts of a site come.
    pub(super) ways: Gather<SiteId, Ways>,
    /// Whom the relays of an organization turn away.
    pub(super) not_admitted: Gather<(), NotAdmitted>,
    /// A newer membership document.
    pub(super) memberships: Gather<MembershipGet, Option<Membership>>,
    /// Envelopes of orders and halts.
    pub(super) documents: Gather<DocumentsForHost, Vec<Vec<u8>>>,
}

impl Together {
    pub(super) fn new(parts: &Arc<PlatformParts>) -> Self {
        Self {
            certificates: gather(parts, SOON, certificates),
            places: gather(parts, SOON, places),
            ways: gather(parts, SOON, ways),
            not_admitted: gather(parts, LATER, not_admitted),
            memberships: gather(parts, LATER, memberships),
            documents: gather(parts, LATER, documents),
        }
    }
}

fn gather<Q, A, F>(
    parts: &Arc<PlatformParts>,
    pause: Duration,
    answer: fn(Arc<PlatformParts>, OrganizationId, Vec<Q>) -> F,
) -> Gather<Q, A>
where
    Q: Send + 'static,
    A: Send + 'static,
    F: Future<Output = ServiceResult<Vec<A>>> + Send + 'static,
{
    let parts = Arc::clone(parts);
    Gather::new(pause, move |organization, asked| {
        answer(Arc::clone(&parts), organization, asked)
    })
}

async fn certificates(
    parts: Arc<PlatformParts>,
    organization: OrganizationId,
    asked: Vec<(IdentityName, Sha256)>,
) -> ServiceResult<Vec<bool>> {
    parts.auth.certificates_live(organization, &asked).await
}

async fn places(
    parts: Arc<PlatformParts>,
    organization: OrganizationId,
    asked: Vec<HostId>,
) -> ServiceResult<Vec<Option<HostPlace>>> {
    let hosts = HostPlaces {
        hosts: asked.clone(),
    };
    let found = parts
        .inventory
        .host_places(&parts.edge(organization), hosts)
        .await?;
    let found: HashMap<HostId, HostPlace> =
        found.into_iter().map(|place| (place.id, place)).collect();
    Ok(asked.iter().map(|host| found.get(host).cloned()).collect())
}

async fn ways(
    parts: Arc<PlatformParts>,
    organization: OrganizationId,
    asked: Vec<SiteId>,
) -> ServiceResult<Vec<Ways>> {
    let ctx = parts.edge(organization);
    let mut found = BTreeMap::new();
    for site in asked.iter().copied().collect::<BTreeSet<_>>() {
        let direct_allowed = match parts.auth.site_get(&ctx, site).await {
            Ok(site) => site.direct_allowed,
            Err(gone) if gone.code == ErrorCode::NotFound => false,
            Err(error) => return Err(error),
        };
        let ways = Ways {
            direct_allowed,
            relays: parts.auth.relay_addresses(&ctx, site, RELAY_HINTS).await?,
            others: parts
                .auth
                .relay_addresses_elsewhere(&ctx, site, RELAY_HINTS)
                .await?,
        };
        found.insert(site, ways);
    }
    let of = |site| found.get(site).cloned().unwrap_or_default();
    Ok(asked.iter().map(of).collect())
}

/// All relays of an organization ask at the same hint.
async fn not_admitted(
    parts: Arc<PlatformParts>,
    organization: OrganizationId,
    asked: Vec<()>,
) -> ServiceResult<Vec<NotAdmitted>> {
    let quarantined = HostQuarantined {
        limit: MAX_HOSTS + 1,
    };
    let now = NotAdmitted {
        hosts: parts
            .inventory
            .host_quarantined(&parts.edge(organization), quarantined)
            .await?,
        certificates: parts
            .auth
            .host_certificates_revoked(organization, MAX_CERTIFICATES + 1)
            .await?,
    };
    Ok(vec![now; asked.len()])
}

async fn memberships(
    parts: Arc<PlatformParts>,
    organization: OrganizationId,
    asked: Vec<MembershipGet>,
) -> ServiceResult<Vec<Option<Membership>>> {
    // A host may be here twice, while its next session supersedes the last one.
    let mut held: HashMap<HostId, u64> = HashMap::new();
    for one in &asked {
        let version = held.entry(one.host).or_insert(one.held_version);
        *version = one.held_version.min(*version);
    }
    let held = held
        .into_iter()
        .map(|(host, held_version)| MembershipGet { host, held_version });
    let list = MembershipList {
        held: held.collect(),
    };
    let newer = parts
        .policy
        .membership_list(&parts.edge(organization), list)
        .await?;
    let newer: HashMap<HostId, Membership> = newer
        .into_iter()
        .map(|newer| (newer.host, newer.membership))
        .collect();
    let of = |one: &MembershipGet| {
        let newest = newer.get(&one.host);
        newest
            .filter(|newest| newest.version > one.held_version)
            .cloned()
    };
    Ok(asked.iter().map(of).collect())
}

async fn documents(
    parts: Arc<PlatformParts>,
    organization: OrganizationId,
    asked: Vec<DocumentsForHost>,
) -> ServiceResult<Vec<Vec<Vec<u8>>>> {
    let order: Vec<HostId> = asked.iter().map(|one| one.host).collect();
    let mut held: HashMap<HostId, Vec<Sha256>> = HashMap::new();
    for one in asked {
        // Twice here: what either of them misses.
        held.entry(one.host)
            .and_modify(|held| held.retain(|digest| one.held.contains(digest)))
            .or_insert(one.held);
    }
    let hosts = held
        .into_iter()
        .map(|(host, held)| DocumentsForHost { host, held });
    let hosts = DocumentsForHosts {
        hosts: hosts.collect(),
    };
    let found = parts
        .scheduler
        .documents_for_hosts(&parts.edge(organization), hosts)
        .await?;
    let envelopes: HashMap<Sha256, Vec<u8>> = found
        .documents
        .into_iter()
        .map(|document| (document.digest, document.envelope))
        .collect();
    let missing: HashMap<HostId, Vec<Sha256>> = found.missing.into_iter().collect();
    let of = |host| {
        let digests = missing.get(host).into_iter().flatten();
        digests
            .filter_map(|digest| envelopes.get(digest).cloned())
            .collect()
    };
    Ok(order.iter().map(of).collect())
}
