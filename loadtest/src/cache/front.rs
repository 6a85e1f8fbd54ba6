//! The relay's cache and HTTP front in a process of their own, without a cloud: what the relay runs, and nothing else.

use anyhow::Result;
use netpatch_protocol::site::{SiteSettings, Upstream};
use netpatch_relay::cache::{Cache, store::Store};
use netpatch_relay::front;
use netpatch_relay_core::Upstreams;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

#[derive(clap::Args)]
pub(crate) struct FrontOptions {
    /// Where to listen
    #[arg(long)]
    listen: SocketAddr,
    /// The origin, host:port
    #[arg(long)]
    origin: SocketAddr,
    /// The cache's folder
    #[arg(long)]
    folder: PathBuf,
}

/// Serves until it is killed.
pub(crate) async fn hold(options: &FrontOptions) -> Result<()> {
    let store = Store::open(&options.folder)?;
    let clock = netpatch_types::SystemClock::shared();
    let cache = Cache::open(store, 20 << 30, 10, Arc::default(), clock)?;
    cache.set_upstreams(Upstreams::from_settings(&SiteSettings {
        upstreams: vec![Upstream {
            repository: format!("http://{}", options.origin),
            urls: Vec::new(),
        }],
        ..SiteSettings::default()
    }));
    let listener = tokio::net::TcpListener::bind(options.listen).await?;
    front::serve(Arc::new(cache), listener, Arc::new(AtomicBool::new(true))).await;
    Ok(())
}
