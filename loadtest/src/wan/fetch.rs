//! What a relay's cache fetches from a mirror over the line, one payload after the other.

use crate::cache::path;
use anyhow::Result;
use netpatch_protocol::site::{PayloadRequest, SiteSettings, Upstream};
use netpatch_relay::cache::{Cache, Reply, store::Store};
use netpatch_relay_core::Upstreams;
use netpatch_tunnel::SiteConnection;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_util::task::AbortOnDropHandle;

/// Of one payload.
const BYTES: usize = 30_000_000;
/// What the cache may hold of them.
const BUDGET: u64 = 200_000_000;

/// Begins; with a connection whose round trip tells the cache how fast it may fetch. Counts what comes.
pub(super) fn begin(
    origin: SocketAddr,
    pacing: Option<SiteConnection>,
    got: Arc<AtomicU64>,
) -> Result<AbortOnDropHandle<()>> {
    let folder = tempfile::tempdir()?;
    let repository = format!("http://{origin}");
    let clock = netpatch_types::SystemClock::shared();
    let store = Store::open(folder.path())?;
    let cache = Cache::open(store, BUDGET, 10, Arc::default(), clock)?;
    cache.set_upstreams(Upstreams::from_settings(&SiteSettings {
        upstreams: vec![Upstream {
            repository: repository.clone(),
            urls: Vec::new(),
        }],
        ..SiteSettings::default()
    }));
    let cache = Arc::new(cache);
    let paced = cache.clone();
    let pace = async move {
        match pacing {
            Some(connection) => paced.line().keep_pace(|| Some(connection.probe())).await,
            None => std::future::pending().await,
        }
    };
    let fetch = async move {
        let _folder = folder;
        for number in 0.. {
            let request = PayloadRequest {
                repository: repository.clone(),
                path: path(BYTES, number),
                ..PayloadRequest::default()
            };
            let Reply::Arriving { fill, .. } = cache.respond(&request).await else {
                return;
            };
            let mut position = 0;
            while let Ok((_, written, is_complete)) = fill.available(position).await {
                got.fetch_add(written.saturating_sub(position), Ordering::Relaxed);
                position = written;
                if is_complete {
                    break;
                }
            }
        }
    };
    Ok(AbortOnDropHandle::new(tokio::spawn(async move {
        tokio::join!(pace, fetch);
    })))
}
