//! Probes by relays over the real identity and inventory: nothing without the site's leave, and nothing beyond the relay's own site.

use crate::sandbox::{Sandbox, Topology};
use netpatch_auth::{EnrolmentTokenCreate, OrganizationKind, SiteCreate, SiteUpdate};
use netpatch_gateway::ingress::{PlatformParts, PlatformServices, Services as _};
use netpatch_inventory_api::{
    HostFacts, HostGet, HostRegister, ListeningSocket, Probe, ProbeOutcome,
};
use netpatch_protocol::site::{self as wire, ProbeRequest, ProbeResults};
use netpatch_tunnel::identity::{certificate_request, generate_key};
use netpatch_types::{
    ErrorCode, HostId, Labels, OrganizationId, RelayId, RequestContext, ServiceResult, SiteId,
};

struct World {
    sandbox: Sandbox,
    edge: PlatformServices,
}

/// An organization's site with a relay and a host that listens on SSH.
struct Place {
    ctx: RequestContext,
    organization: OrganizationId,
    site: SiteId,
    relay: RelayId,
    host: HostId,
}

impl World {
    async fn new(topology: Topology) -> Self {
        let sandbox = Sandbox::new(topology).await;
        let roles = &sandbox.roles;
        roles.auth.bootstrap().await.unwrap().unwrap();
        let edge = PlatformServices::new(PlatformParts {
            auth: roles.auth.clone(),
            inventory: roles.inventory.clone(),
            policy: roles.policy.clone(),
            scheduler: roles.scheduler.clone(),
            reporting: roles.reporting.clone(),
            blobs: roles.blobs.clone(),
        });
        Self { sandbox, edge }
    }

    async fn organization(&self, name: &str) -> OrganizationId {
        let platform = self.sandbox.system(OrganizationId(uuid::Uuid::now_v7()));
        let auth = &self.sandbox.roles.auth;
        let made = auth
            .organization_create(&platform, name, OrganizationKind::Customer, None)
            .await;
        made.unwrap().id
    }

    async fn place(&self, organization: OrganizationId, name: &str) -> Place {
        let ctx = self.sandbox.system(organization);
        let auth = &self.sandbox.roles.auth;
        let site = SiteCreate {
            name: name.into(),
            time_zone: "Europe/Berlin".into(),
            direct_allowed: true,
            upstreams: Vec::new(),
        };
        let site = auth.site_create(&ctx, site).await.unwrap().id;
        let token = EnrolmentTokenCreate {
            site,
            labels: Labels::new(),
            for_relay: true,
            max_uses: 1,
            ttl_seconds: 600,
        };
        let (_, text) = auth.enrolment_token_create(&ctx, token).await.unwrap();
        let secret = text.split('.').nth(1).unwrap();
        let request = certificate_request(&generate_key().unwrap()).unwrap();
        let joined = auth.relay_enrol(secret, "box", name, "1", &request).await;
        let (relay, _) = joined.unwrap();
        let host = HostRegister {
            id: HostId::new(self.sandbox.clock.now()),
            site,
            facts: HostFacts {
                hostname: name.to_lowercase(),
                machine_id: netpatch_types::Sha256::of(name.as_bytes()).to_string(),
                os_id: "debian".into(),
                os_version: "12".into(),
                listening: vec![ListeningSocket {
                    protocol: "tcp".into(),
                    address: "0.0.0.0".into(),
                    port: 22,
                    not_loopback: true,
                    allowed_by_firewall: Some(true),
                    ..ListeningSocket::default()
                }],
                ..HostFacts::default()
            },
            labels: Labels::new(),
        };
        let inventory = &self.sandbox.roles.inventory;
        let host = inventory.host_register(&ctx, host).await.unwrap().id;
        Place {
            ctx,
            organization,
            site,
            relay,
            host,
        }
    }

    async fn allow(&self, place: &Place, is_on: bool) {
        let update = SiteUpdate {
            probes_exposure: Some(is_on),
            ..SiteUpdate::new(place.site)
        };
        let auth = &self.sandbox.roles.auth;
        auth.site_update(&place.ctx, update).await.unwrap();
    }

    /// What a relay is asked to try on these hosts: (host, address, port).
    async fn asked(
        &self,
        relay: &Place,
        hosts: &[HostId],
    ) -> ServiceResult<Vec<(String, String, u32)>> {
        let request = ProbeRequest {
            hosts: hosts.iter().map(ToString::to_string).collect(),
        };
        let plan = self
            .edge
            .probe_plan(relay.organization, relay.relay, request)
            .await?;
        let of_host = |host: wire::ProbeHost| {
            let id = host.host_id;
            host.sockets
                .into_iter()
                .map(move |socket| (id.clone(), socket.address, socket.port))
        };
        Ok(plan.hosts.into_iter().flat_map(of_host).collect())
    }

    async fn tell(&self, relay: &Place, host: HostId, port: u32) -> ServiceResult<()> {
        let results = ProbeResults {
            hosts: vec![wire::ProbedHost {
                host_id: host.to_string(),
                target: "10.0.0.5".into(),
                sockets: vec![wire::ProbedSocket {
                    socket: Some(wire::ProbeSocket {
                        address: "0.0.0.0".into(),
                        port,
                    }),
                    outcome: wire::ProbeOutcome::NoAnswer.into(),
                    at_ms: self.sandbox.clock.now().timestamp_millis(),
                }],
            }],
        };
        self.edge
            .probe_report(relay.organization, relay.relay, results)
            .await
    }

    async fn probes(&self, place: &Place) -> Vec<Probe> {
        let get = HostGet { id: place.host };
        let host = self.sandbox.roles.inventory.host_get(&place.ctx, get).await;
        host.unwrap().probes
    }
}

#[tokio::test]
async fn a_relay_probes_the_hosts_of_its_own_site_while_that_allows_it() {
    for topology in [Topology::Direct, Topology::Rpc] {
        let world = World::new(topology).await;
        let organization = world.organization("Acme").await;
        let berlin = world.place(organization, "Berlin").await;
        let boston = world.place(organization, "Boston").await;
        let abroad = world
            .place(world.organization("Elsewhere").await, "Quay")
            .await;
        let all = [berlin.host, boston.host, abroad.host];
        let forbidden = Some(ErrorCode::Forbidden);

        // Nobody has allowed it.
        let settings = async |place: &Place| {
            let settings = world
                .edge
                .relay_settings(place.organization, place.relay)
                .await;
            settings.unwrap().probes_exposure
        };
        assert!(!settings(&berlin).await);
        let refused = world.asked(&berlin, &all).await;
        assert_eq!(refused.err().map(|error| error.code), forbidden);
        let refused = world.tell(&berlin, berlin.host, 22).await;
        assert_eq!(refused.err().map(|error| error.code), forbidden);

        for place in [&berlin, &boston, &abroad] {
            world.allow(place, true).await;
            assert!(settings(place).await);
        }
        // Whatever it names, it is asked for its own site's hosts only.
        let own = |place: &Place| vec![(place.host.to_string(), "0.0.0.0".to_owned(), 22)];
        assert_eq!(world.asked(&berlin, &all).await.unwrap(), own(&berlin));
        // Its neighbours' answers, and a port that was not asked for, are ignored.
        for liar in [&boston, &abroad] {
            world.tell(liar, berlin.host, 22).await.unwrap();
        }
        assert!(world.probes(&berlin).await.is_empty());
        assert_eq!(world.asked(&boston, &all).await.unwrap(), own(&boston));
        world.tell(&boston, boston.host, 443).await.unwrap();
        assert!(world.probes(&boston).await.is_empty());
        world.tell(&berlin, berlin.host, 22).await.unwrap();
        let kept: Vec<_> = world
            .probes(&berlin)
            .await
            .into_iter()
            .map(|probe| (probe.socket.port, probe.outcome, probe.relay))
            .collect();
        assert_eq!(kept, [(22, ProbeOutcome::NoAnswer, berlin.relay)]);
        // A relay of another organization is not known here.
        let stray = ProbeRequest::default();
        let unknown = world
            .edge
            .probe_plan(abroad.organization, berlin.relay, stray)
            .await;
        assert_eq!(
            unknown.err().map(|error| error.code),
            Some(ErrorCode::NotFound)
        );

        // And not on once it is forbidden.
        world.asked(&abroad, &all).await.unwrap();
        world.allow(&abroad, false).await;
        assert!(!settings(&abroad).await);
        let refused = world.tell(&abroad, abroad.host, 22).await;
        assert_eq!(refused.err().map(|error| error.code), forbidden);
        assert!(world.probes(&abroad).await.is_empty());
    }
}
