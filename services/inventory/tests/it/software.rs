//! Documents that say what hosts without an agent consist of.

use crate::tenancy::code;
use crate::world::{World, component, facts};
use netpatch_inventory_api::*;
use netpatch_types::{
    ActorKind, Clock as _, ComponentKey, ErrorCode, HostId, PageRequest, Permission, SiteId,
};
use serde_json::{Value, json};

fn entry(key: &ComponentKey) -> Value {
    json!({"type": "library", "name": key.name, "version": key.version, "purl": key.purl(), "properties": [
        {"name": "netpatch:ecosystem", "value": key.ecosystem.as_str()}, {"name": "netpatch:source", "value": key.source},
        {"name": "netpatch:source-version", "value": key.source_version}]})
}

fn document(hostname: &str, serial: &str, components: &[Value]) -> String {
    let mut all = vec![
        json!({"type": "operating-system", "name": "debian", "version": "12", "description": "Debian 12"}),
    ];
    all.extend_from_slice(components);
    json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": all, "metadata": {"component": {
        "type": "device", "name": hostname, "properties": [{"name": "netpatch:serial", "value": serial}, {"name": "netpatch:arch", "value": "amd64"}]}}})
    .to_string()
}

fn curl() -> ComponentKey {
    component("curl", "7.88.1-10+deb12u1", "curl")
}

fn import(world: &World, text: String) -> SoftwareImport {
    SoftwareImport {
        host: None,
        machine: AssetWrite::default(),
        site: Some(world.site),
        document: SoftwareDocument::CycloneDx(text),
        dry_run: false,
    }
}

impl World {
    async fn take(&self, import: SoftwareImport) -> SoftwareImported {
        self.api
            .software_import(&self.ctx, import)
            .await
            .expect("taken")
    }

    async fn components(&self, host: HostId) -> Vec<ComponentKey> {
        let list = ComponentList {
            host,
            name_contains: None,
            page: PageRequest::largest(),
        };
        let page = self.api.component_list(&self.ctx, list).await;
        let nodes = page.expect("components").into_nodes();
        nodes.into_iter().map(|one| one.key).collect()
    }
}

#[tokio::test]
async fn a_machine_without_an_agent_has_findings_by_its_document() {
    for world in World::both().await {
        world.import().await;
        let odd = json!({"type": "file", "name": "/bin/x"});
        let first = document("web1", "S-1", &[entry(&curl()), odd.clone()]);
        let asked = SoftwareImport {
            dry_run: true,
            ..import(&world, first.clone())
        };
        let before = world.fingerprint().await;
        let would = world.take(asked).await;
        assert_eq!(
            (would.host, would.is_new_host, would.components),
            (None, true, 1)
        );
        assert_eq!(world.fingerprint().await, before, "only asked");

        let done = world.take(import(&world, first.clone())).await;
        let host = done.host.expect("a host");
        assert_eq!((done.opened, done.closed, done.evaluated), (2, 0, true));
        assert_eq!(
            (done.skipped[0].reason, done.skipped[0].count),
            (SoftwareSkip::NoPurl, 1)
        );
        let made = world.get(host).await;
        assert_eq!(made.software_from, SoftwareOrigin::CycloneDx);
        assert_eq!(
            (
                made.facts.hostname.as_str(),
                made.facts.os_id.as_str(),
                made.facts.os_release.as_str(),
                made.facts.serial.as_str()
            ),
            ("web1", "debian", "bookworm", "S-1")
        );
        assert_eq!(
            (made.site, made.facts.machine_id.as_str()),
            (world.site, "")
        );
        assert_eq!(world.components(host).await, [curl()]);
        assert_eq!(world.findings(FindingFilter::default()).await.len(), 2);

        let again = world.take(import(&world, first)).await;
        assert_eq!(
            (again.host, again.is_new_host, again.is_changed),
            (Some(host), false, false)
        );
        // By the host's id, with an update of curl: one finding is closed.
        let newer = component("curl", "7.88.1-10+deb12u2", "curl");
        let named = SoftwareImport {
            host: Some(host),
            ..import(&world, document("", "", &[entry(&newer)]))
        };
        let done = world.take(named).await;
        assert_eq!(
            (done.asset, done.is_changed, done.opened, done.closed),
            (None, true, 0, 1)
        );
        let imported: Vec<_> = world
            .events()
            .await
            .into_iter()
            .filter_map(|event| match event {
                InventoryEventV1::SoftwareImported {
                    host,
                    components,
                    skipped,
                    ..
                } => Some((host, components, skipped)),
                _ => None,
            })
            .collect();
        assert_eq!(
            imported,
            [(host, 1, 1), (host, 1, 0)],
            "what changed nothing is not told"
        );
    }
}

#[tokio::test]
async fn what_an_agent_says_is_not_replaced() {
    for world in World::both().await {
        world.import().await;
        let host = world.host(1, &[]).await;
        world.report(host, vec![curl()]).await;
        let zip = entry(&component("zip", "3.0-13", "zip"));
        let by_name = import(&world, document("host1", "", std::slice::from_ref(&zip)));
        let by_id = SoftwareImport {
            host: Some(host),
            ..by_name.clone()
        };
        let before = world.fingerprint().await;
        for asked in [by_name, by_id] {
            let refused = world.api.software_import(&world.ctx, asked).await;
            let refused = refused.expect_err("refused");
            assert_eq!(refused.code, ErrorCode::InvalidState);
            assert!(
                refused.message.starts_with("host1 has an agent"),
                "{}",
                refused.message
            );
        }
        assert_eq!(world.fingerprint().await, before);
        // A GLPI agent beside ours tells the asset's data; its software is left alone.
        let glpi = SoftwareImport {
            host: None,
            machine: AssetWrite {
                hostname: Change::Set("host1".into()),
                model: Change::Set("XPS".into()),
                ..AssetWrite::default()
            },
            site: None,
            document: SoftwareDocument::Glpi(GlpiSoftware {
                os_name: "Debian GNU/Linux".into(),
                os_version: "12.11".into(),
                programs: vec![GlpiProgram {
                    name: "zip".into(),
                    version: "3.0-13".into(),
                    arch: "amd64".into(),
                    from: "deb".into(),
                }],
                ..GlpiSoftware::default()
            }),
            dry_run: false,
        };
        let done = world.take(glpi).await;
        assert!(done.left.starts_with("host1 has an agent"), "{}", done.left);
        assert_eq!((done.host, done.is_changed), (None, false));
        let id = done.asset.expect("an asset");
        let asset = world.api.asset_get(&world.ctx, AssetGet { id }).await;
        assert_eq!(asset.expect("asset").model, "XPS");
        assert_eq!(world.components(host).await, [curl()]);
        assert_eq!(world.get(host).await.software_from, SoftwareOrigin::Agent);
    }
}

#[tokio::test]
async fn an_agent_takes_the_place_of_the_document_and_first_sights_stay() {
    let world = World::direct().await;
    world.import().await;
    let done = world
        .take(import(&world, document("host1", "S-9", &[entry(&curl())])))
        .await;
    let (stand_in, asset) = (done.host.expect("a host"), done.asset.expect("an asset"));
    let sights = async || {
        let mut sights: Vec<_> = world
            .findings(FindingFilter::default())
            .await
            .into_iter()
            .map(|one| (one.id, one.host, one.first_seen_at))
            .collect();
        sights.sort();
        sights
    };
    let before = sights().await;
    world.clock.advance(std::time::Duration::from_secs(86_400));
    let host = world.host(1, &[("ring", "canary")]).await;
    assert_ne!(host, stand_in);
    let gone = world
        .api
        .host_get(&world.ctx, HostGet { id: stand_in })
        .await;
    assert_eq!(code(gone), ErrorCode::NotFound);
    assert_eq!(world.get(host).await.software_from, SoftwareOrigin::Agent);
    world
        .report(host, vec![curl(), component("tar", "1", "tar")])
        .await;
    let after = sights().await;
    let moved: Vec<_> = before.iter().map(|(id, _, at)| (*id, host, *at)).collect();
    assert_eq!(after, moved);
    let linked = world
        .api
        .asset_get(&world.ctx, AssetGet { id: asset })
        .await
        .expect("asset")
        .link;
    assert!(
        matches!(linked, AssetLink::Linked { host: of, .. } if of == host),
        "{linked:?}"
    );
    // Another machine of that name with a serial number of its own is another machine.
    let other = world
        .take(import(&world, document("host2", "S-2", &[entry(&curl())])))
        .await;
    let register = HostRegister {
        id: HostId::new(world.clock.now()),
        site: world.site,
        facts: HostFacts {
            serial: "S-3".into(),
            ..facts(2, "host2")
        },
        labels: Default::default(),
    };
    world
        .api
        .host_register(&world.ctx, register)
        .await
        .expect("registered");
    assert!(world.get(other.host.expect("a host")).await.software_from != SoftwareOrigin::Agent);
}

#[tokio::test]
async fn glpi_software_makes_a_host_and_partial_or_foreign_lists_do_not() {
    for world in World::both().await {
        world.import().await;
        let programs = |from: &str| {
            [("curl", "7.88.1-10+deb12u1"), ("adduser", "3.134")].map(|(name, version)| {
                GlpiProgram {
                    name: name.into(),
                    version: version.into(),
                    arch: "amd64".into(),
                    from: from.into(),
                }
            })
        };
        let glpi = |hostname: &str, os: &str, from: &str, site| SoftwareImport {
            host: None,
            machine: AssetWrite {
                hostname: Change::Set(hostname.into()),
                ..AssetWrite::default()
            },
            site,
            document: SoftwareDocument::Glpi(GlpiSoftware {
                os_name: os.into(),
                os_full_name: "Debian GNU/Linux 12 (bookworm)".into(),
                os_version: "12.11".into(),
                os_arch: "x86_64".into(),
                programs: programs(from).to_vec(),
            }),
            dry_run: false,
        };
        let windows = world
            .take(glpi(
                "pc1",
                "Microsoft Windows 11",
                "registry",
                Some(world.site),
            ))
            .await;
        assert_eq!(
            (windows.host, windows.left.as_str()),
            (None, "nothing that it lists could be taken")
        );
        assert_eq!(windows.skipped[0].count, 2);
        let homeless = world
            .take(glpi("web1", "Debian GNU/Linux", "deb", None))
            .await;
        assert!(
            homeless.asset.is_some() && homeless.left.contains("name the site"),
            "{}",
            homeless.left
        );
        let done = world
            .take(glpi("web1", "Debian GNU/Linux", "deb", Some(world.site)))
            .await;
        assert_eq!(
            (done.asset, done.without_source, done.opened),
            (homeless.asset, 2, 2)
        );
        let host = world.get(done.host.expect("a host")).await;
        assert_eq!(
            (host.software_from, host.facts.os_release.as_str()),
            (SoftwareOrigin::Glpi, "bookworm")
        );
        let none = world
            .take(glpi("web1", "Debian GNU/Linux", "snap", Some(world.site)))
            .await;
        assert_eq!((none.host, none.is_changed), (None, false));
        assert_eq!(
            world.components(host.id).await.len(),
            2,
            "nothing is no news"
        );
    }
}

#[tokio::test]
async fn documents_that_cannot_be_taken_are_refused_with_what_to_do() {
    for world in World::both().await {
        let curl = entry(&curl());
        let (near, far) = (
            document("web1", "", std::slice::from_ref(&curl)),
            SiteId::new(world.clock.now()),
        );
        let nameless = document(
            "localhost",
            "To be filled by O.E.M.",
            std::slice::from_ref(&curl),
        );
        let empty = document("web1", "", &[json!({"name": "x"})]);
        for (text, site, code, why) in [
            (
                "<bom/>".to_owned(),
                Some(world.site),
                ErrorCode::BadUserInput,
                "no CycloneDX document in JSON",
            ),
            (
                empty,
                Some(world.site),
                ErrorCode::BadUserInput,
                "names no package that can be taken (1: no package URL)",
            ),
            (
                nameless,
                Some(world.site),
                ErrorCode::BadUserInput,
                "nothing says which machine",
            ),
            (
                document("", "", std::slice::from_ref(&curl)),
                Some(world.site),
                ErrorCode::BadUserInput,
                "nothing says which machine",
            ),
            (
                near.clone(),
                None,
                ErrorCode::InvalidState,
                "name the site where it stands",
            ),
            (
                format!("{near}{}", " ".repeat(MAX_DOCUMENT_BYTES)),
                None,
                ErrorCode::LimitExceeded,
                "bytes",
            ),
        ] {
            let asked = SoftwareImport {
                site,
                ..import(&world, text)
            };
            let refused = world
                .api
                .software_import(&world.ctx, asked)
                .await
                .expect_err("refused");
            assert!(
                refused.code == code && refused.message.contains(why),
                "{refused:?}"
            );
        }
        let mut narrow = world.ctx.clone();
        narrow.sites = Some(vec![world.site]);
        let elsewhere = SoftwareImport {
            site: Some(far),
            ..import(&world, document("web2", "", std::slice::from_ref(&curl)))
        };
        let made = world
            .api
            .software_import(&narrow, elsewhere)
            .await
            .expect("on its own site");
        let host = made.host.expect("a host");
        assert_eq!(world.get(host).await.site, world.site);
        let stranger = world.stranger();
        for ctx in [&stranger, &{
            let mut other = world.ctx.clone();
            other.sites = Some(vec![far]);
            other
        }] {
            let named = SoftwareImport {
                host: Some(host),
                ..import(&world, near.clone())
            };
            assert_eq!(
                code(world.api.software_import(ctx, named).await),
                ErrorCode::NotFound
            );
        }
        let mut person = world.ctx.clone();
        person.actor.kind = ActorKind::User;
        person.permissions = [Permission::Read, Permission::Admin].into();
        let asked = import(&world, near);
        assert_eq!(
            code(world.api.software_import(&person, asked).await),
            ErrorCode::Forbidden
        );
    }
}
