//! Whether the hosts of the site are reached at the ports that they say they listen on: plain TCP connects that send nothing and
//! are given up at once. Only where the site allows it, only what the edge asks, and only as [`netpatch_relay_core::probe`] lets it.

use crate::uplink::LinkState;
use netpatch_protocol::site::{
    ProbeOutcome, ProbePlan, ProbeRequest, ProbeResults, ProbeSocket, ProbedHost, ProbedSocket,
    stream_open,
};
use netpatch_relay_core::probe::{AT_ONCE, MAX_CONNECTED, PATIENCE, PAUSE, Target, targets};
use netpatch_tunnel::{RelayUplink, TunnelError};
use netpatch_types::SharedClock;
use prost::Message as _;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// The hosts that are connected, and where each one's connection comes from.
#[derive(Debug, Default)]
pub(crate) struct Connected(Mutex<HashMap<String, Vec<IpAddr>>>);

/// A host is connected for as long as this lives.
pub(crate) struct Here<'a> {
    connected: &'a Connected,
    host: String,
    from: IpAddr,
}

impl Connected {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Vec<IpAddr>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A host whose certificate was accepted is connected from now on.
    pub(crate) fn enter(&self, host: String, from: IpAddr) -> Here<'_> {
        self.all().entry(host.clone()).or_default().push(from);
        Here {
            connected: self,
            host,
            from,
        }
    }

    fn hosts(&self) -> Vec<String> {
        self.all().keys().take(MAX_CONNECTED).cloned().collect()
    }

    /// Where the newest connection of a host comes from.
    fn address(&self, host: &str) -> Option<IpAddr> {
        self.all().get(host).and_then(|from| from.last().copied())
    }
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        let mut all = self.connected.all();
        let Some(from) = all.get_mut(&self.host) else {
            return;
        };
        if let Some(at) = from.iter().rposition(|one| *one == self.from) {
            from.remove(at);
        }
        if from.is_empty() {
            all.remove(&self.host);
        }
    }
}

/// What probing needs.
pub(crate) struct Prober {
    pub(crate) connected: Arc<Connected>,
    pub(crate) link: watch::Receiver<LinkState>,
    /// Whether the site allows it.
    pub(crate) allowed: watch::Receiver<bool>,
    pub(crate) clock: SharedClock,
    pub(crate) every: Duration,
}

impl Prober {
    /// Never ends: asks what to try, tries it, and says what came of it.
    pub(crate) async fn keep_probing(self) {
        loop {
            tokio::time::sleep(self.every).await;
            let hosts = self.connected.hosts();
            let link = self.link.borrow().link.clone();
            let Some(link) = link.filter(|_| *self.allowed.borrow() && !hosts.is_empty()) else {
                continue;
            };
            if let Err(error) = self.probe(&link, hosts).await {
                tracing::info!(%error, "cannot ask what to probe, or tell what was reached");
            }
        }
    }

    async fn probe(&self, link: &RelayUplink, hosts: Vec<String>) -> Result<(), TunnelError> {
        let request = ProbeRequest { hosts };
        let (answer, _) = link.open(stream_open::Kind::Probe(request)).await?;
        let plan = ProbePlan::decode(answer.body.as_slice())
            .map_err(|error| TunnelError::Unexpected(error.to_string()))?;
        let targets = targets(&plan, |host| self.connected.address(host));
        if targets.is_empty() {
            return Ok(());
        }
        let hosts = run(&targets, self.allowed.clone(), &self.clock).await;
        tracing::info!(hosts = hosts.len(), "probed what hosts listen on");
        link.open(stream_open::Kind::Probed(ProbeResults { hosts }))
            .await?;
        Ok(())
    }
}

/// Tries what is asked, slowly, and not on once the site forbids it.
async fn run(
    targets: &[Target],
    allowed: watch::Receiver<bool>,
    clock: &SharedClock,
) -> Vec<ProbedHost> {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut probed: Vec<ProbedHost> = targets
        .iter()
        .map(|target| ProbedHost {
            host_id: target.host.clone(),
            target: target.address.to_string(),
            sockets: Vec::new(),
        })
        .collect();
    let mut tries = JoinSet::new();
    'all: for (at, target) in targets.iter().enumerate() {
        for (socket, to) in &target.sockets {
            let Ok(slot) = slots.clone().acquire_owned().await else {
                break 'all;
            };
            if !*allowed.borrow() {
                break 'all;
            }
            let (socket, to, clock) = (socket.clone(), *to, clock.clone());
            tries.spawn(async move {
                let outcome = reach(to).await;
                drop(slot);
                (at, said(socket, outcome, &clock))
            });
            tokio::time::sleep(PAUSE).await;
        }
    }
    while let Some(tried) = tries.join_next().await {
        if let Ok((at, socket)) = tried
            && let Some(host) = probed.get_mut(at)
        {
            host.sockets.push(socket);
        }
    }
    probed.retain(|host| !host.sockets.is_empty());
    probed
}

fn said(socket: ProbeSocket, outcome: ProbeOutcome, clock: &SharedClock) -> ProbedSocket {
    ProbedSocket {
        socket: Some(socket),
        outcome: outcome.into(),
        at_ms: clock.now().timestamp_millis(),
    }
}

/// One connect.
async fn reach(to: SocketAddr) -> ProbeOutcome {
    match tokio::time::timeout(PATIENCE, TcpStream::connect(to)).await {
        Ok(Ok(_)) => ProbeOutcome::Reached,
        Ok(Err(error)) => match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => ProbeOutcome::Refused,
            ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                ProbeOutcome::NoAnswer
            }
            // This machine's own trouble (no more files, a rule of its own) says nothing of the host.
            _ => {
                tracing::debug!(%to, %error, "cannot probe");
                ProbeOutcome::Unspecified
            }
        },
        Err(_) => ProbeOutcome::NoAnswer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_connected_while_one_of_its_connections_lives() {
        let connected = Connected::default();
        let (one, two) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        assert!(connected.hosts().is_empty());
        let first = connected.enter("h".into(), one);
        let second = connected.enter("h".into(), two);
        assert_eq!(connected.address("h"), Some(two), "the newest");
        drop(second);
        assert_eq!(connected.address("h"), Some(one));
        assert_eq!(connected.hosts(), ["h"]);
        drop(first);
        assert_eq!(connected.address("h"), None);
        assert!(connected.hosts().is_empty());
    }
}
