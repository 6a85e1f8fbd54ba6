//! The doors of the platform: the gateway's HTTP surface and the QUIC edge.

use crate::roles::Roles;
use axum::Router;
use netpatch_chassis::{BoxError, Process};
use netpatch_gateway::{Apis, GatewayState, Settings};
use netpatch_storage::SharedBus;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Opens the QUIC edge.
pub(crate) async fn start(process: &mut Process, _roles: &Roles, _bus: &SharedBus) -> Result<SocketAddr, BoxError> {
    Ok(process.configuration.quic.addr)
}

/// The portal, the API, sign-in.
pub(crate) fn http(process: &mut Process, roles: &Roles, bus: &SharedBus, portal: Option<PathBuf>) -> Router {
    let http = &process.configuration.http;
    let apis = Apis {
        inventory: roles.inventory.clone(),
        policy: roles.policy.clone(),
        scheduler: roles.scheduler.clone(),
        reporting: roles.reporting.clone(),
        auth: roles.auth.clone(),
        bus: bus.clone(),
    };
    let settings = Settings {
        portal,
        is_https: process.configuration.tls.cert.is_some() || http.behind_proxy,
        origins: http.public_url.iter().cloned().collect(),
        ..Settings::default()
    };
    let stop = process.tasks.stop_token();
    let state = GatewayState::new(apis, settings, stop.clone());
    let hub = state.hub().clone();
    process.tasks.spawn("event hub", async move {
        hub.run(stop).await;
        Ok::<(), BoxError>(())
    });
    netpatch_gateway::router(state)
}
