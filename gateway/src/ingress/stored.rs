//! Kept payloads for relays, between the wire and inventory: only files of the site's own repositories, by an address of the blob store where
//! that has addresses, else through the edge.

use super::Shared;
use super::delta::{self, refused};
use super::services::StoredPayload;
use chrono::{DateTime, TimeDelta, Utc};
use netpatch_inventory_api::{PayloadsStore, StoredPayloadGet};
use netpatch_protocol::IdentityName;
use netpatch_protocol::site as wire;
use netpatch_storage::blobs::Reading;
use netpatch_tunnel::TunnelError;
use netpatch_tunnel::edge::RelayAnswer;
use netpatch_types::{RelayId, ServiceError, ServiceResult, Sha256, SiteId};
use prost::Message as _;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// How long an address of the blob store is good. A fetch that has begun goes on; for one that is resumed later a relay asks again.
pub(super) const ADDRESS_LIFETIME: Duration = Duration::from_secs(300);
/// The platform has so long to find out: a host waits behind the relay, and its mirrors may have what a store that is down has not.
const ANSWER: Duration = Duration::from_secs(2);

/// The question to inventory; `None` when the payload lies in none of the site's repositories.
pub(super) fn get(
    request: &wire::StoredRequest,
    upstreams: &[String],
) -> ServiceResult<Option<StoredPayloadGet>> {
    let sha256 = delta::digest(&request.sha256)?;
    let url = delta::url(upstreams, &request.repository, &request.path);
    Ok(url.map(|url| StoredPayloadGet { url, sha256 }))
}

/// What of a plan is to be kept: it says with which scheme the site writes its repositories.
pub(super) fn of_plan(plan: &wire::StagingPlan, upstreams: &[String]) -> PayloadsStore {
    let payload = |payload: &wire::StagedPayload| {
        Some(StoredPayloadGet {
            url: delta::url(upstreams, &payload.repository, &payload.path)?,
            sha256: Sha256::from_slice(&payload.sha256)?,
        })
    };
    PayloadsStore {
        payloads: plan.payloads.iter().filter_map(payload).collect(),
    }
}

/// After so long inventory is told again of a plan that has not changed: what waited to be fetched is lost with its process.
const TELL_AGAIN: TimeDelta = TimeDelta::minutes(15);
/// Sites whose plans are remembered.
const MAX_TOLD: usize = 20_000;

/// The name of a plan, and when inventory was told of it.
type Last = (Vec<u8>, DateTime<Utc>);

/// What plans of sites inventory was told of to keep.
#[derive(Default)]
pub(super) struct Told(Mutex<HashMap<SiteId, Last>>);

impl Told {
    fn of(&self) -> MutexGuard<'_, HashMap<SiteId, Last>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the plan of a site is another than it was told of, or that is long ago.
    pub(super) fn is_due(&self, site: SiteId, plan: &[u8], now: DateTime<Utc>) -> bool {
        let told = self.of();
        let lately = told.get(&site).filter(|(_, at)| is_lately(*at, now));
        lately.is_none_or(|(told, _)| told != plan)
    }

    /// It was told.
    pub(super) fn told(&self, site: SiteId, plan: &[u8], now: DateTime<Utc>) {
        let mut told = self.of();
        if told.len() >= MAX_TOLD {
            told.retain(|_, (_, at)| is_lately(*at, now));
        }
        if told.len() < MAX_TOLD {
            told.insert(site, (plan.to_vec(), now));
        }
    }
}

/// A clock that was set back makes nothing wait.
fn is_lately(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    at <= now && now - at < TELL_AGAIN
}

/// Answers a relay. Nobody waits here for others: a relay that gets nothing goes to its mirrors.
pub(super) async fn serve(
    shared: &Arc<Shared>,
    relay: IdentityName,
    request: wire::StoredRequest,
    to: RelayAnswer,
) -> Result<(), TunnelError> {
    let Some(_place) = shared.payloads.take(relay.organization) else {
        return to.answer(&refused(503, "too many at once")).await;
    };
    let (id, offset) = (RelayId(relay.id), request.offset);
    let asked = shared.services.stored(relay.organization, id, request);
    let ok = |found: &wire::StoredFound, total_bytes: u64| wire::StreamAnswer {
        status: 200,
        total_bytes,
        body: found.encode_to_vec(),
        ..wire::StreamAnswer::default()
    };
    let answer = timeout(ANSWER, asked).await;
    match answer.unwrap_or_else(|_| Err(ServiceError::unavailable("the blob store"))) {
        Ok(Some(StoredPayload::At(found))) => to.answer(&ok(&found, 0)).await,
        Ok(Some(StoredPayload::Bytes(Reading { total_bytes, bytes }))) => {
            let answer = ok(&wire::StoredFound::default(), total_bytes);
            to.answer_from(&answer, total_bytes.saturating_sub(offset), bytes)
                .await
        }
        Ok(None) => to.answer(&refused(404, "no such payload is kept")).await,
        Err(error) => {
            let status = u32::from(error.code.http_status());
            to.answer(&refused(status, &error.message)).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(repository: &str, path: &str) -> wire::StoredRequest {
        wire::StoredRequest {
            repository: repository.into(),
            path: path.into(),
            sha256: vec![1; 32],
            offset: 0,
        }
    }

    #[test]
    fn only_files_of_the_sites_repositories_are_asked_about() {
        let upstreams = ["https://deb.example/debian/".to_owned()];
        let get = |request: &wire::StoredRequest| get(request, &upstreams).expect("valid");
        let own = "http://deb.example/debian";
        let asked = get(&request(own, "pool/b")).expect("the site's");
        assert_eq!(asked.url, "https://deb.example/debian/pool/b");
        for other in [
            request("http://other.example/debian", "pool/b"),
            request("http://deb.example/debian2", "pool/b"),
            request(own, "../pool/b"),
            request(own, ""),
        ] {
            assert_eq!(get(&other), None, "{other:?}");
        }
    }

    #[test]
    fn what_is_no_digest_is_refused_and_left_out_of_a_plan() {
        let upstreams = ["http://deb.example/debian".to_owned()];
        let own = "http://deb.example/debian";
        let mut odd = request(own, "pool/b");
        odd.sha256.pop();
        get(&odd, &upstreams).expect_err("digest");
        let payload = |repository: &str, digest: usize| wire::StagedPayload {
            repository: repository.into(),
            path: "pool/b".into(),
            sha256: vec![1; digest],
            ..wire::StagedPayload::default()
        };
        let plan = wire::StagingPlan {
            plan: Vec::new(),
            payloads: vec![
                payload(own, 32),
                payload(own, 31),
                payload("http://other.example", 32),
            ],
        };
        assert_eq!(of_plan(&plan, &upstreams).payloads.len(), 1);
    }

    #[test]
    fn a_plan_is_told_when_it_is_new_and_again_after_a_while() {
        let (site, other) = (SiteId(uuid::Uuid::nil()), SiteId(uuid::Uuid::max()));
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("time");
        let told = Told::default();
        assert!(told.is_due(site, b"one", now), "after a start");
        told.told(site, b"one", now);
        let soon = now + TELL_AGAIN / 2;
        assert!(!told.is_due(site, b"one", soon));
        assert!(told.is_due(other, b"one", soon));
        assert!(told.is_due(site, b"two", soon));
        assert!(told.is_due(site, b"one", now + TELL_AGAIN));
        assert!(told.is_due(site, b"one", now - TELL_AGAIN), "set back");
        for n in 0..MAX_TOLD as u128 + 10 {
            told.told(SiteId(uuid::Uuid::from_u128(n)), b"one", now);
        }
        assert!(told.of().len() <= MAX_TOLD);
        told.told(other, b"one", now + TELL_AGAIN);
        assert_eq!(told.of().len(), 1, "what is long ago goes");
    }
}
