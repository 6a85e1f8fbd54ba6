//! Differences for relays, between the wire and inventory: only between files of the site's own repositories, and at once or not at all.

use super::services::Recipe;
use super::{Shared, staging};
use netpatch_inventory_api::{Delta, DeltaBase, DeltaGet, MAX_DELTA_BASES};
use netpatch_protocol::IdentityName;
use netpatch_protocol::site as wire;
use netpatch_tunnel::TunnelError;
use netpatch_tunnel::edge::RelayAnswer;
use netpatch_types::{RelayId, ServiceError, ServiceResult, Sha256};
use prost::Message as _;
use std::sync::Arc;

/// The question to inventory; `None` when nothing of it is the site's.
pub(super) fn get(
    request: &wire::DeltaRequest,
    upstreams: &[String],
) -> ServiceResult<Option<DeltaGet>> {
    if request.bases.len() > MAX_DELTA_BASES {
        return Err(ServiceError::invalid("bases", "too many versions"));
    }
    let sha256 = match request.sha256.as_slice() {
        [] => None,
        bytes => Some(digest(bytes)?),
    };
    let Some(url) = url(upstreams, &request.repository, &request.path) else {
        return Ok(None);
    };
    let mut bases = Vec::with_capacity(request.bases.len());
    for base in &request.bases {
        let sha256 = digest(&base.sha256)?;
        if let Some(url) = self::url(upstreams, &base.repository, &base.path) {
            bases.push(DeltaBase { sha256, url });
        }
    }
    Ok((!bases.is_empty()).then_some(DeltaGet { url, sha256, bases }))
}

pub(super) fn digest(bytes: &[u8]) -> ServiceResult<Sha256> {
    Sha256::from_slice(bytes).ok_or_else(|| ServiceError::invalid("sha256", "not 32 bytes"))
}

/// Where the platform fetches a file, if it lies in one of the site's repositories: with the scheme that the site writes.
pub(super) fn url(upstreams: &[String], repository: &str, path: &str) -> Option<String> {
    let asked = format!("{}/{path}", repository.trim_end_matches('/'));
    let (base, path) = staging::locate(upstreams, &asked)?;
    let dots = |segment: &str| segment.is_empty() || segment == "." || segment == "..";
    if path.split('/').any(dots) {
        return None;
    }
    let (_, place) = base.split_once("://")?;
    let own = upstreams.iter().find(|own| {
        let own = own.split_once("://").map_or("", |(_, rest)| rest);
        own.trim_end_matches('/') == place
    })?;
    let (scheme, _) = own.split_once("://")?;
    Some(format!("{scheme}://{place}/{path}"))
}

pub(super) fn found(delta: &Delta) -> wire::DeltaFound {
    wire::DeltaFound {
        base: delta.base.0.to_vec(),
        sha256: delta.sha256.0.to_vec(),
    }
}

/// The answer to a relay that gets nothing.
pub(super) fn refused(status: u32, message: &str) -> wire::StreamAnswer {
    wire::StreamAnswer {
        status,
        message: message.to_owned(),
        ..wire::StreamAnswer::default()
    }
}

/// Answers a relay. Nobody waits here for others: a relay that gets no difference takes the whole file meanwhile.
pub(super) async fn serve(
    shared: &Arc<Shared>,
    relay: IdentityName,
    request: wire::DeltaRequest,
    to: RelayAnswer,
) -> Result<(), TunnelError> {
    let Some(_place) = shared.deltas.take(relay.organization) else {
        return to.answer(&refused(503, "too many at once")).await;
    };
    let id = RelayId(relay.id);
    let asked = shared.services.delta(relay.organization, id, request);
    match asked.await {
        Ok(Some(Recipe { found, bytes })) => {
            let answer = wire::StreamAnswer {
                status: 200,
                body: found.encode_to_vec(),
                ..wire::StreamAnswer::default()
            };
            to.answer_with(&answer, &bytes).await
        }
        Ok(None) => to.answer(&refused(404, "no difference yet")).await,
        Err(error) => {
            let status = u32::from(error.code.http_status());
            to.answer(&refused(status, &error.message)).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(repository: &str, path: &str, bases: &[&str]) -> wire::DeltaRequest {
        let base = |path: &&str| wire::DeltaBase {
            repository: "http://deb.example/debian".into(),
            path: (*path).into(),
            sha256: vec![1; 32],
        };
        wire::DeltaRequest {
            repository: repository.into(),
            path: path.into(),
            sha256: Vec::new(),
            bases: bases.iter().map(base).collect(),
        }
    }

    #[test]
    fn only_files_of_the_sites_repositories_are_asked_about_by_the_sites_scheme() {
        let upstreams = ["https://deb.example/debian/".to_owned()];
        let get = |request: &wire::DeltaRequest| get(request, &upstreams).expect("valid");
        let own = "http://deb.example/debian";
        let asked = get(&request(own, "pool/b", &["pool/a"])).expect("the site's");
        assert_eq!(asked.url, "https://deb.example/debian/pool/b");
        assert_eq!(asked.bases[0].url, "https://deb.example/debian/pool/a");
        for other in [
            request("http://other.example/debian", "pool/b", &["pool/a"]),
            request("http://deb.example/debian2", "pool/b", &["pool/a"]),
            request("ftp://deb.example", "debian", &["pool/a"]),
            request(own, "../pool/b", &["pool/a"]),
            request(own, "", &["pool/a"]),
            request(own, "pool/b", &[]),
            request(own, "pool/b", &["../../a"]),
        ] {
            assert_eq!(get(&other), None, "{other:?}");
        }
    }

    #[test]
    fn what_is_no_digest_and_too_much_are_refused() {
        let upstreams = ["http://deb.example/debian".to_owned()];
        let own = "http://deb.example/debian";
        let mut odd = request(own, "pool/b", &["pool/a"]);
        odd.sha256 = vec![1; 31];
        get(&odd, &upstreams).expect_err("digest");
        let mut odd = request(own, "pool/b", &["pool/a"]);
        odd.bases[0].sha256.clear();
        get(&odd, &upstreams).expect_err("digest of a base");
        get(&request(own, "pool/b", &["a"; 5]), &upstreams).expect_err("too many");
    }
}
