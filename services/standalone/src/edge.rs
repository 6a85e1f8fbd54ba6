//! The doors of the platform: the gateway's HTTP surface and the edge.

use crate::roles::Roles;
use axum::Router;
use netpatch_chassis::configuration::Limits;
use netpatch_chassis::{BoxError, Process};
use netpatch_gateway::ingress::{Ingress, Options, PlatformParts, PlatformServices};
use netpatch_gateway::{Apis, GatewayState, Settings};
use netpatch_storage::SharedBus;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// How often old idempotency keys are forgotten.
const SWEEP_EVERY: std::time::Duration = std::time::Duration::from_secs(3600);

/// Opens the edge, over UDP and TCP.
pub(crate) fn quic(
    process: &mut Process,
    roles: &Roles,
    bus: &SharedBus,
) -> Result<SocketAddr, BoxError> {
    let services = Arc::new(PlatformServices::new(PlatformParts {
        auth: roles.auth.clone(),
        inventory: roles.inventory.clone(),
        policy: roles.policy.clone(),
        scheduler: roles.scheduler.clone(),
        reporting: roles.reporting.clone(),
        blobs: roles.blobs.clone(),
    }));
    let address = process.configuration.quic.addr;
    let http = process.configuration.http.addr;
    let options = Options {
        tcp: !overlap(address, http),
        ..options(&process.configuration.limits)
    };
    if !options.tcp {
        tracing::warn!(
            quic.addr = %address,
            http.addr = %http,
            "the portal has the edge's port: agents and relays can come over UDP only; give one of them another port"
        );
    }
    let ingress = Ingress::bind(address, services, bus.clone(), process.clock(), options)?;
    let address = ingress.local_addr()?;
    let stop = process.tasks.stop_token();
    process.tasks.spawn("edge", async move {
        ingress.run(stop).await;
        Ok::<(), BoxError>(())
    });
    Ok(address)
}

/// Whether both cannot listen over TCP.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip(), other.ip());
    one.port() != 0
        && one.port() == other.port()
        && (a == b || a.is_unspecified() || b.is_unspecified())
}

/// The edge's usual times and rates, with what the operator may set.
fn options(limits: &Limits) -> Options {
    let mut options = Options::default();
    options.limits.connections = limits.edge_connections;
    options.drain = limits.shutdown();
    // As much more at once as the defaults allow.
    for (rate, per_second) in [
        (&mut options.enrolments, limits.enrolments_per_second),
        (
            &mut options.relayed_enrolments,
            limits.relayed_enrolments_per_second,
        ),
    ] {
        let burst = rate.maximum / rate.restore_rate;
        rate.maximum = per_second.saturating_mul(burst);
        rate.restore_rate = per_second;
    }
    options
}

/// The portal, the API, sign-in; `quic` is where the edge listens.
pub(crate) fn http(
    process: &mut Process,
    roles: &Roles,
    bus: &SharedBus,
    portal: Option<PathBuf>,
    quic: SocketAddr,
) -> Router {
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
        edge_port: Some(quic.port()),
        is_https: process.configuration.tls.cert.is_some() || http.behind_proxy,
        origins: http.public_url.iter().cloned().collect(),
        ..Settings::default()
    };
    let stop = process.tasks.stop_token();
    let ledger = netpatch_gateway::ledger::run(apis.clone(), stop.clone());
    process.tasks.spawn("identity events", async move {
        ledger.await;
        Ok::<(), BoxError>(())
    });
    let sites = netpatch_gateway::sites::run(apis.clone(), stop.clone());
    process.tasks.spawn("sites", async move {
        sites.await;
        Ok::<(), BoxError>(())
    });
    let (auth, ended) = (roles.auth.clone(), stop.clone());
    process.tasks.spawn("identity outbox", async move {
        auth.events_tend(ended).await;
        Ok::<(), BoxError>(())
    });
    let (auth, ended) = (roles.auth.clone(), stop.clone());
    process.tasks.spawn("idempotency keys", async move {
        while !ended.is_cancelled() {
            if let Err(error) = auth.idempotency_sweep().await {
                tracing::warn!(%error, "forgetting old idempotency keys failed, trying again");
            }
            tokio::select! {
                () = ended.cancelled() => {}
                () = tokio::time::sleep(SWEEP_EVERY) => {}
            }
        }
        Ok::<(), BoxError>(())
    });
    let state = GatewayState::new(apis, settings, stop.clone());
    let hub = state.hub().clone();
    process.tasks.spawn("event hub", async move {
        hub.run(stop).await;
        Ok::<(), BoxError>(())
    });
    netpatch_gateway::router(state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_gateway::throttle::Rate;

    #[test]
    fn the_portal_and_the_edge_share_a_port_over_udp_only() {
        let overlap = |one: &str, other: &str| {
            overlap(
                one.parse().expect("address"),
                other.parse().expect("address"),
            )
        };
        assert!(overlap("0.0.0.0:443", "0.0.0.0:443"));
        assert!(overlap("[::]:443", "10.0.0.1:443"));
        assert!(!overlap("10.0.0.2:443", "10.0.0.1:443"));
        assert!(!overlap("0.0.0.0:443", "0.0.0.0:8443"));
        assert!(!overlap("0.0.0.0:0", "0.0.0.0:0"));
    }

    #[test]
    fn an_operators_rates_keep_their_bursts() {
        let mut limits = netpatch_chassis::Sources::new()
            .load()
            .expect("defaults")
            .limits;
        let (usual, edge) = (options(&limits), Options::default());
        assert_eq!(usual.limits.connections, edge.limits.connections);
        assert_eq!(usual.drain, edge.drain);
        assert_eq!(usual.enrolments, edge.enrolments);
        assert_eq!(usual.relayed_enrolments, edge.relayed_enrolments);
        limits.edge_connections = 7;
        limits.enrolments_per_second = 5;
        limits.relayed_enrolments_per_second = u32::MAX;
        let raised = options(&limits);
        assert_eq!(raised.limits.connections, 7);
        let rate = |maximum, restore_rate| Rate {
            maximum,
            restore_rate,
        };
        assert_eq!(raised.enrolments, rate(300, 5));
        assert_eq!(raised.relayed_enrolments, rate(u32::MAX, u32::MAX));
    }
}
