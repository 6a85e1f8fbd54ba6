//! Exposure as relays see it: who is asked for what, whose answers are kept, and what they do to risk.

use crate::world::{World, component};
use netpatch_inventory_api::*;
use netpatch_types::{ActorKind, Clock as _, ErrorCode, HostId, RelayId, RequestContext, SiteId};
use std::time::Duration;

fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

fn hours(count: u64) -> Duration {
    minutes(count * 60)
}

fn socket(protocol: &str, address: &str, port: u16) -> ListeningSocket {
    ListeningSocket {
        protocol: protocol.into(),
        address: address.into(),
        port,
        not_loopback: !address.starts_with("127."),
        allowed_by_firewall: Some(true),
        ..ListeningSocket::default()
    }
}

fn named(port: u16) -> ProbeSocket {
    ProbeSocket {
        address: "0.0.0.0".into(),
        port,
    }
}

impl World {
    async fn listens(&self, host: HostId, listening: Vec<ListeningSocket>) {
        let before = self.get(host).await.facts;
        let request = HostFactsReport {
            host,
            facts: HostFacts {
                listening,
                ..before
            },
        };
        let told = self.api.host_facts_report(&self.ctx, request).await;
        told.expect("facts");
    }

    /// A host with a finding, that listens on SSH and on what only itself reaches.
    async fn listening_host(&self, machine: u8) -> HostId {
        let host = self.host(machine, &[]).await;
        self.report(host, vec![component("zip", "3.0-13", "zip")])
            .await;
        self.listens(
            host,
            vec![
                socket("tcp", "0.0.0.0", 22),
                socket("tcp", "127.0.0.1", 5432),
            ],
        )
        .await;
        host
    }

    async fn plan(
        &self,
        ctx: &RequestContext,
        relay: RelayId,
        site: SiteId,
        hosts: &[HostId],
    ) -> Vec<ProbePlanned> {
        let request = ProbePlanGet {
            relay,
            site,
            hosts: hosts.to_vec(),
        };
        let plan = self.api.probe_plan(ctx, request).await;
        plan.expect("a plan").hosts
    }

    async fn tell(
        &self,
        ctx: &RequestContext,
        relay: RelayId,
        site: SiteId,
        host: HostId,
        said: &[(u16, ProbeOutcome)],
    ) -> (u32, u32) {
        let at = self.clock.now();
        let sockets = said
            .iter()
            .map(|(port, outcome)| (named(*port), *outcome, at))
            .collect();
        let request = ProbeReport {
            relay,
            site,
            hosts: vec![ProbedHost {
                host,
                target: "10.0.0.5".into(),
                sockets,
            }],
        };
        let taken = self.api.probe_report(ctx, request).await.expect("told");
        (taken.taken, taken.ignored)
    }

    /// What the risk of the only finding says of exposure, and its score.
    async fn exposure(&self) -> (String, f64) {
        let findings = self.findings(FindingFilter::default()).await;
        let risk = findings[0].risk.clone();
        let term = risk
            .terms
            .iter()
            .find(|term| term.name == RiskInput::Exposure);
        (term.expect("a term").input.clone(), risk.score)
    }

    /// The risk that the finding is ranked by.
    async fn ranked(&self) -> i32 {
        let tx = self.database.database().write(&self.ctx).await;
        let tx = tx.expect("transaction");
        let risk: Option<i32> = tx
            .value(
                "select max(risk) from inventory.exposures where closed_at is null",
                [],
            )
            .await
            .expect("a risk");
        risk.expect("a finding")
    }
}

#[tokio::test]
async fn a_probe_counts_before_the_hosts_own_word_until_it_is_a_day_old() {
    for world in World::both().await {
        world.import().await;
        let host = world.listening_host(1).await;
        let relay = RelayId::new(world.clock.now());
        let measured = world.exposure().await;
        assert_eq!(
            measured.0,
            "measured: reachable, its firewall lets others in"
        );

        let plan = world.plan(&world.ctx, relay, world.site, &[host]).await;
        let wanted = ProbePlanned {
            host,
            sockets: vec![named(22)],
        };
        assert_eq!(plan, [wanted], "not what only the host itself reaches");
        assert_eq!(
            world
                .tell(
                    &world.ctx,
                    relay,
                    world.site,
                    host,
                    &[(22, ProbeOutcome::NoAnswer)]
                )
                .await,
            (1, 0)
        );
        let at = world.clock.now();
        let probed = world.exposure().await;
        let when = at.format("%Y-%m-%d %H:%M UTC");
        assert_eq!(
            probed.0,
            format!("probed: a relay of its site reached nothing, last tried on {when}")
        );
        assert!(probed.1 < measured.1, "{probed:?} {measured:?}");
        assert_eq!(
            f64::from(world.ranked().await) / 10.0,
            probed.1,
            "ranked by it"
        );
        let shown = world.get(host).await.probes;
        assert_eq!(shown.len(), 1);
        assert_eq!(
            (shown[0].outcome, shown[0].relay, shown[0].at),
            (ProbeOutcome::NoAnswer, relay, at)
        );

        // Not its turn again before six hours.
        world.clock.advance(hours(5));
        assert!(
            world
                .plan(&world.ctx, relay, world.site, &[host])
                .await
                .is_empty()
        );
        world.clock.advance(hours(2));
        let plan = world.plan(&world.ctx, relay, world.site, &[host]).await;
        assert_eq!(plan.len(), 1);
        assert_eq!(
            world
                .tell(
                    &world.ctx,
                    relay,
                    world.site,
                    host,
                    &[(22, ProbeOutcome::Reached)]
                )
                .await,
            (1, 0)
        );
        let when = world.clock.now().format("%Y-%m-%d %H:%M UTC");
        let reached = world.exposure().await;
        assert_eq!(
            reached,
            (
                format!("probed: a relay of its site reached port 22 on {when}"),
                measured.1
            )
        );

        world.clock.advance(hours(23));
        world.inventory.reevaluate().await.expect("evaluated");
        assert_eq!(world.exposure().await, reached);
        world.clock.advance(hours(2));
        world.inventory.reevaluate().await.expect("evaluated");
        assert_eq!(world.exposure().await, measured);
        assert!(world.get(host).await.probes.is_empty());
        assert_eq!(f64::from(world.ranked().await) / 10.0, measured.1);
    }
}

#[tokio::test]
async fn what_a_relay_was_not_asked_is_ignored() {
    for world in World::both().await {
        world.import().await;
        let (host, other) = (world.listening_host(1).await, world.listening_host(2).await);
        let (relay, liar) = (
            RelayId::new(world.clock.now()),
            RelayId::new(world.clock.now()),
        );
        let ctx = &world.ctx;
        let lie = [(22, ProbeOutcome::NoAnswer)];
        assert_eq!(
            world.tell(ctx, relay, world.site, host, &lie).await,
            (0, 1),
            "nobody was asked"
        );
        world.plan(ctx, relay, world.site, &[host]).await;
        assert_eq!(
            world.tell(ctx, liar, world.site, host, &lie).await,
            (0, 1),
            "another relay was asked"
        );
        assert_eq!(
            world.tell(ctx, relay, world.site, other, &lie).await,
            (0, 1),
            "another host was asked for"
        );
        let more = [
            (22, ProbeOutcome::Reached),
            (22, ProbeOutcome::NoAnswer),
            (5432, ProbeOutcome::Reached),
            (31337, ProbeOutcome::Reached),
        ];
        assert_eq!(
            world.tell(ctx, relay, world.site, host, &more).await,
            (1, 3),
            "one port was asked for"
        );
        assert_eq!(
            world.tell(ctx, relay, world.site, host, &lie).await,
            (0, 1),
            "an answer is taken once"
        );
        let kept: Vec<_> = world
            .get(host)
            .await
            .probes
            .into_iter()
            .map(|probe| (probe.socket.port, probe.outcome))
            .collect();
        assert_eq!(kept, [(22, ProbeOutcome::Reached)]);

        world.plan(ctx, relay, world.site, &[other]).await;
        world.clock.advance(minutes(11));
        assert_eq!(
            world.tell(ctx, relay, world.site, other, &lie).await,
            (0, 1),
            "too late"
        );
        let many = ProbeReport {
            relay,
            site: world.site,
            hosts: vec![
                ProbedHost {
                    host,
                    target: String::new(),
                    sockets: vec![]
                };
                17
            ],
        };
        let refused = world.api.probe_report(ctx, many).await;
        assert_eq!(refused.expect_err("refused").code, ErrorCode::BadUserInput);
        let crowd = ProbePlanGet {
            relay,
            site: world.site,
            hosts: vec![host; 1_001],
        };
        let refused = world.api.probe_plan(ctx, crowd).await;
        assert_eq!(refused.expect_err("refused").code, ErrorCode::BadUserInput);
    }
}

#[tokio::test]
async fn a_relay_of_another_site_or_organization_neither_asks_nor_tells() {
    for world in World::both().await {
        world.import().await;
        let host = world.listening_host(1).await;
        let relay = RelayId::new(world.clock.now());
        let elsewhere = SiteId::new(world.clock.now());
        let stranger = world.stranger();
        assert!(
            world
                .plan(&world.ctx, relay, elsewhere, &[host])
                .await
                .is_empty()
        );
        assert!(
            world
                .plan(&stranger, relay, world.site, &[host])
                .await
                .is_empty()
        );
        world.plan(&world.ctx, relay, world.site, &[host]).await;
        let lie = [(22, ProbeOutcome::NoAnswer)];
        assert_eq!(
            world.tell(&world.ctx, relay, elsewhere, host, &lie).await,
            (0, 1)
        );
        assert_eq!(
            world.tell(&stranger, relay, world.site, host, &lie).await,
            (0, 1)
        );
        assert!(world.get(host).await.probes.is_empty());
        let mut agent = world.ctx.clone();
        agent.actor.kind = ActorKind::Agent;
        let request = ProbePlanGet {
            relay,
            site: world.site,
            hosts: vec![host],
        };
        let refused = world.api.probe_plan(&agent, request).await;
        assert_eq!(refused.expect_err("refused").code, ErrorCode::Forbidden);

        // What was reached from one site says nothing of another.
        assert_eq!(
            world.tell(&world.ctx, relay, world.site, host, &lie).await,
            (1, 0)
        );
        let moved = HostUpdate {
            id: host,
            if_match: None,
            labels: None,
            site: Some(elsewhere),
            release_quarantine: false,
        };
        world
            .api
            .host_update(&world.ctx, moved)
            .await
            .expect("moved");
        assert!(world.get(host).await.probes.is_empty());
        assert_eq!(
            world.exposure().await.0,
            "measured: reachable, its firewall lets others in"
        );
    }
}

#[tokio::test]
async fn a_host_that_says_something_else_is_probed_again_soon_but_not_at_will() {
    for world in World::both().await {
        world.import().await;
        let host = world.listening_host(1).await;
        let relay = RelayId::new(world.clock.now());
        let ask = async || world.plan(&world.ctx, relay, world.site, &[host]).await;
        ask().await;
        world
            .tell(
                &world.ctx,
                relay,
                world.site,
                host,
                &[(22, ProbeOutcome::NoAnswer)],
            )
            .await;
        // Its firewall keeps others out now: the probe was of something else.
        let closed = ListeningSocket {
            allowed_by_firewall: Some(false),
            ..socket("tcp", "0.0.0.0", 22)
        };
        world.listens(host, vec![closed]).await;
        assert_eq!(world.exposure().await.0, "measured: nobody reaches it");
        assert!(ask().await.is_empty(), "not at will");
        world.clock.advance(minutes(10));
        assert_eq!(ask().await.len(), 1);
        for port in 1..=3 {
            world
                .listens(host, vec![socket("tcp", "0.0.0.0", port)])
                .await;
            assert!(ask().await.is_empty(), "not at will");
        }
        // A host that listens to nobody else is not asked for, and is not in the way of others.
        let silent = world.host(2, &[]).await;
        world
            .listens(silent, vec![socket("udp", "0.0.0.0", 53)])
            .await;
        let plan = world
            .plan(&world.ctx, relay, world.site, &[silent, host])
            .await;
        assert!(plan.is_empty());
        let many: Vec<HostId> = {
            let mut hosts = Vec::new();
            for machine in 10..40 {
                let id = world.host(machine, &[]).await;
                world.listens(id, vec![socket("tcp", "0.0.0.0", 22)]).await;
                hosts.push(id);
            }
            hosts
        };
        let first = world.plan(&world.ctx, relay, world.site, &many).await;
        let second = world.plan(&world.ctx, relay, world.site, &many).await;
        let third = world.plan(&world.ctx, relay, world.site, &many).await;
        assert_eq!(
            (first.len(), second.len(), third.len()),
            (MAX_PROBE_HOSTS, 30 - MAX_PROBE_HOSTS, 0)
        );
    }
}
