//! Exposure as relays see it: who is asked to try what, and which answers are kept.
//!
//! Invariants: a relay is asked only for hosts of its own site, and only for TCP sockets that the host itself named; of what it says
//! only answers to that question are kept, once and soon; what it found out counts for a day, or until the host says otherwise.

use crate::service::Inventory;
use crate::service::evaluation::place_of;
use crate::store;
use crate::store::probe::{Asked, AskedSocket};
use chrono::Duration;
use netpatch_inventory_api::{
    Host, ListeningSocket, MAX_PROBE_CONNECTED, MAX_PROBE_HOSTS, MAX_PROBE_SOCKETS,
    PROBE_EVERY_HOURS, PROBE_FRESH_HOURS, Probe, ProbePlan, ProbePlanGet, ProbePlanned,
    ProbeReport, ProbeSocket, ProbeTaken, ProbedHost,
};
use netpatch_types::{RelayId, RequestContext, ServiceError, ServiceResult, SiteId};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A host is not probed more often than this, however often it says something else.
pub(super) const PAUSE: Duration = Duration::minutes(10);
/// An answer that comes later is not heard.
const PATIENCE: Duration = Duration::minutes(10);
/// Hosts whose probes are taken away in one transaction.
const PORTION: i64 = 500;

/// What is asked for of a host: its TCP sockets that others may reach, each once.
fn askable(listening: &[ListeningSocket]) -> Vec<AskedSocket> {
    let mut all: Vec<AskedSocket> = listening
        .iter()
        .filter(|socket| socket.protocol == "tcp" && socket.not_loopback && socket.port != 0)
        .filter(|socket| socket.address.parse::<IpAddr>().is_ok())
        .map(|socket| AskedSocket {
            socket: ProbeSocket {
                address: socket.address.clone(),
                port: socket.port,
            },
            allowed_by_firewall: socket.allowed_by_firewall,
        })
        .collect();
    all.sort_by(|one, other| {
        (one.socket.port, &one.socket.address).cmp(&(other.socket.port, &other.socket.address))
    });
    all.dedup_by(|one, other| one.socket == other.socket);
    all.truncate(MAX_PROBE_SOCKETS);
    all
}

/// The answers to what was asked, each once.
fn answers(
    asked: &Asked,
    relay: RelayId,
    said: &ProbedHost,
    now: chrono::DateTime<chrono::Utc>,
) -> Vec<Probe> {
    let Ok(target) = said.target.parse::<IpAddr>() else {
        return Vec::new();
    };
    if target.is_loopback() || target.is_unspecified() || target.is_multicast() {
        return Vec::new();
    }
    let mut open: BTreeMap<&ProbeSocket, Option<bool>> = asked
        .sockets
        .iter()
        .map(|asked| (&asked.socket, asked.allowed_by_firewall))
        .collect();
    said.sockets
        .iter()
        .filter_map(|(socket, outcome, at)| {
            let allowed_by_firewall = open.remove(socket)?;
            Some(Probe {
                socket: socket.clone(),
                target: target.to_string(),
                outcome: *outcome,
                // A relay whose clock is wrong tried it between question and answer all the same.
                at: (*at).clamp(asked.at, asked.at.max(now)),
                relay,
                allowed_by_firewall,
            })
        })
        .collect()
}

fn at_most(field: &str, count: usize, most: usize) -> ServiceResult<()> {
    if count <= most {
        Ok(())
    } else {
        Err(ServiceError::invalid(
            field,
            format!("{count} of them; at most {most}"),
        ))
    }
}

impl Inventory {
    pub(super) async fn plan_probes(
        &self,
        ctx: &RequestContext,
        request: ProbePlanGet,
    ) -> ServiceResult<ProbePlan> {
        at_most("hosts", request.hosts.len(), MAX_PROBE_CONNECTED)?;
        if request.hosts.is_empty() {
            return Ok(ProbePlan::default());
        }
        let now = self.now();
        let tx = self.db.write(ctx).await?;
        let due =
            store::probe::due(&tx, request.site, &request.hosts, now, MAX_PROBE_HOSTS).await?;
        let mut plan = ProbePlan::default();
        for (host, listening) in due {
            let asked = askable(&listening);
            let next = now + Duration::hours(PROBE_EVERY_HOURS);
            store::probe::ask(&tx, host, request.relay, &asked, now, next).await?;
            if !asked.is_empty() {
                let sockets = asked.into_iter().map(|asked| asked.socket).collect();
                plan.hosts.push(ProbePlanned { host, sockets });
            }
        }
        tx.commit().await?;
        Ok(plan)
    }

    pub(super) async fn report_probes(
        &self,
        ctx: &RequestContext,
        request: ProbeReport,
    ) -> ServiceResult<ProbeTaken> {
        at_most("hosts", request.hosts.len(), MAX_PROBE_HOSTS)?;
        for host in &request.hosts {
            at_most("sockets", host.sockets.len(), MAX_PROBE_SOCKETS)?;
        }
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let mut done = ProbeTaken::default();
        for said in &request.hosts {
            let taken = self
                .report_probed(ctx, request.relay, request.site, said)
                .await?;
            done.taken += count(taken);
            done.ignored += count(said.sockets.len() - taken);
        }
        if done.ignored > 0 {
            tracing::warn!(relay = %request.relay, ignored = done.ignored, "a relay answered what it was not asked");
        }
        Ok(done)
    }

    /// Keeps what a relay says of one host; how many answers were to what it was asked.
    async fn report_probed(
        &self,
        ctx: &RequestContext,
        relay: RelayId,
        site: SiteId,
        said: &ProbedHost,
    ) -> ServiceResult<usize> {
        let now = self.now();
        let catalog = self.catalog().await?;
        let tx = self.db.write(ctx).await?;
        let stored = store::host::lock(&tx, ctx, said.host).await?;
        let Some(before) = stored
            .map(|stored| stored.host)
            .filter(|host| host.site == site)
        else {
            return Ok(0);
        };
        let asked = store::probe::take_asked(&tx, said.host, relay).await?;
        let probes = match asked {
            Some(asked) if now - asked.at <= PATIENCE => answers(&asked, relay, said, now),
            _ => Vec::new(),
        };
        if probes.is_empty() {
            tx.commit().await?;
            return Ok(0);
        }
        let until = now + Duration::hours(PROBE_FRESH_HOURS);
        store::probe::set(&tx, said.host, &probes, until).await?;
        let taken = probes.len();
        let host = Host {
            probes,
            ..before.clone()
        };
        if !place_of(&before).counts_as(&place_of(&host)) && host.manifest.is_some() {
            let (components, updates) = self.parts(&tx, &host).await?;
            self.evaluate(&tx, &catalog, &host, &components, &updates, now)
                .await?;
        }
        tx.commit().await?;
        self.hint().await;
        Ok(taken)
    }

    /// Probes that are too old do not count any more: their hosts wait for evaluation.
    pub(crate) async fn forget_stale_probes(&self) -> ServiceResult<()> {
        let tx = self.db.worker_tx().await?;
        let stale = store::probe::stale(&tx, self.now()).await?;
        tx.rollback().await?;
        for tenant in stale {
            loop {
                let ctx = RequestContext::system(tenant, "probes", self.now());
                let tx = self.db.write(&ctx).await?;
                let hosts = store::probe::forget_stale(&tx, self.now(), PORTION).await?;
                if hosts.is_empty() {
                    break;
                }
                store::evaluation::ask(&tx, Some(&hosts)).await?;
                tx.commit().await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Utc};
    use netpatch_inventory_api::ProbeOutcome;
    use netpatch_types::HostId;

    fn socket(protocol: &str, address: &str, port: u16) -> ListeningSocket {
        ListeningSocket {
            protocol: protocol.into(),
            address: address.into(),
            port,
            not_loopback: !address.starts_with("127."),
            ..ListeningSocket::default()
        }
    }

    #[test]
    fn only_tcp_that_others_may_reach_is_asked_for_each_once_and_not_too_much() {
        let listening = [
            socket("tcp", "0.0.0.0", 443),
            socket("tcp", "0.0.0.0", 22),
            socket("tcp", "0.0.0.0", 22),
            socket("tcp", "::", 22),
            socket("udp", "0.0.0.0", 53),
            socket("tcp", "127.0.0.1", 5432),
            socket("tcp", "0.0.0.0", 0),
            socket("tcp", "metadata", 80),
        ];
        let asked: Vec<String> = askable(&listening)
            .iter()
            .map(|asked| format!("{} {}", asked.socket.address, asked.socket.port))
            .collect();
        assert_eq!(asked, ["0.0.0.0 22", ":: 22", "0.0.0.0 443"]);
        let many: Vec<ListeningSocket> = (1..=512)
            .map(|port| socket("tcp", "0.0.0.0", port))
            .collect();
        assert_eq!(askable(&many).len(), MAX_PROBE_SOCKETS);
    }

    #[test]
    fn only_answers_to_what_was_asked_are_kept_and_once() {
        let at: DateTime<Utc> = DateTime::UNIX_EPOCH + Duration::days(10);
        let asked = Asked {
            at,
            sockets: askable(&[socket("tcp", "0.0.0.0", 22), socket("tcp", "0.0.0.0", 80)]),
        };
        let relay = RelayId::new(at);
        let answer = |port, outcome, at| {
            (
                ProbeSocket {
                    address: "0.0.0.0".into(),
                    port,
                },
                outcome,
                at,
            )
        };
        let now = at + Duration::minutes(1);
        let said = ProbedHost {
            host: HostId::new(at),
            target: "10.0.0.5".into(),
            sockets: vec![
                answer(22, ProbeOutcome::Reached, DateTime::UNIX_EPOCH),
                answer(22, ProbeOutcome::Refused, at),
                answer(23, ProbeOutcome::Reached, at),
                answer(80, ProbeOutcome::NoAnswer, at + Duration::days(3000)),
            ],
        };
        let kept: Vec<_> = answers(&asked, relay, &said, now)
            .into_iter()
            .map(|probe| (probe.socket.port, probe.outcome, probe.at))
            .collect();
        assert_eq!(
            kept,
            [
                (22, ProbeOutcome::Reached, at),
                (80, ProbeOutcome::NoAnswer, now)
            ]
        );
        for target in ["", "127.0.0.1", "::1", "0.0.0.0", "ff02::1", "a host"] {
            let said = ProbedHost {
                target: target.into(),
                ..said.clone()
            };
            assert!(answers(&asked, relay, &said, now).is_empty(), "{target}");
        }
    }
}
