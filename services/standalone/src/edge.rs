//! The doors of the platform: the gateway's HTTP surface and the QUIC edge.

use crate::roles::Roles;
use axum::Router;
use netpatch_chassis::{BoxError, Process};
use netpatch_storage::SharedBus;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Opens the QUIC edge.
pub(crate) async fn start(
    process: &mut Process,
    _roles: &Roles,
    _bus: &SharedBus,
) -> Result<SocketAddr, BoxError> {
    Ok(process.configuration.quic.addr)
}

/// The portal, the API, sign-in.
pub(crate) fn http(
    _process: &mut Process,
    _roles: &Roles,
    _bus: &SharedBus,
    _portal: Option<PathBuf>,
    _addr: SocketAddr,
) -> Result<Router, BoxError> {
    Ok(Router::new())
}
