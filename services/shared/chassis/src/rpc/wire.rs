//! The one place that decides whether a callee runs here or elsewhere.

use super::key::{ContextKeys, ContextSigner};
use super::transport::{Transport, TransportError};
use super::{RpcClient, RpcService};
use netpatch_types::SharedClock;
use std::sync::Arc;

/// Where a service runs if not here.
#[derive(Clone, Debug)]
pub struct Remote<'a> {
    /// Its address, `http://` or `https://`; `None` when no address is configured.
    pub url: Option<&'a str>,
    /// Signs the request contexts.
    pub signer: &'a ContextSigner,
}

/// Why a service cannot be reached at all.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Neither here nor elsewhere.
    #[error("the service {service} neither runs here nor has an address; set services.{service}")]
    Nowhere {
        /// The service.
        service: &'static str,
    },
    /// The address is unusable.
    #[error("wire the service {service}: {source}")]
    Transport {
        /// The service.
        service: &'static str,
        /// Why.
        source: TransportError,
    },
}

/// The role runs here: the object itself; otherwise: the client.
///
/// ```text
/// let inventory: Arc<dyn InventoryApi> = wire(local_inventory, &Remote { url: config.services.url("inventory"), signer: &signer })?;
/// ```
pub fn wire<Api: RpcService + ?Sized>(
    local: Option<Arc<Api>>,
    remote: &Remote<'_>,
) -> Result<Arc<Api>, WireError> {
    if let Some(local) = local {
        return Ok(local);
    }
    let service = Api::NAME;
    let url = remote.url.ok_or(WireError::Nowhere { service })?;
    let transport =
        Transport::http(url).map_err(|source| WireError::Transport { service, source })?;
    Ok(Api::client(RpcClient::new(
        service,
        transport,
        remote.signer.clone(),
    )))
}

/// The same object behind its router and client, without a socket: for tests that run in both topologies.
///
/// The clock is the one by which the caller sets deadlines.
#[must_use]
pub fn through_rpc<Api: RpcService + ?Sized>(api: Arc<Api>, clock: SharedClock) -> Arc<Api> {
    let keys = ContextKeys::random();
    let router = Api::router(api, keys.verifier(Arc::clone(&clock)));
    Api::client(RpcClient::new(
        Api::NAME,
        Transport::memory(router),
        keys.signer(clock),
    ))
}
