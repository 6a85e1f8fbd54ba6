//! Manifests and applicability as hosts report them.

use crate::tenancy::{code, component_id};
use crate::world::{World, component, update};
use netpatch_inventory::domain::manifest::manifest_hash;
use netpatch_inventory_api::*;
use netpatch_types::{ComponentKey, Ecosystem, ErrorCode, MAX_COMPONENTS, PageRequest, Sha256};

#[tokio::test]
async fn a_manifest_that_does_not_hash_is_refused_and_nothing_stored() {
    for world in World::both().await {
        let host = world.host(1, &[]).await;
        let before = world.fingerprint().await;
        let request = ManifestReport {
            host,
            hash: Sha256::of(b"other"),
            components: vec![component("a", "1", "a")],
        };
        let refused = world
            .api
            .manifest_report(&world.ctx, request)
            .await
            .expect_err("refused");
        assert_eq!(refused.code, ErrorCode::BadUserInput);
        assert!(
            refused.message.contains("manifest has the hash"),
            "{}",
            refused.message
        );
        let twice = vec![component("a", "1", "a"), component("a", "1", "a")];
        let request = ManifestReport {
            host,
            hash: manifest_hash(&twice),
            components: twice,
        };
        assert_eq!(
            world
                .api
                .manifest_report(&world.ctx, request)
                .await
                .expect_err("refused")
                .code,
            ErrorCode::BadUserInput
        );
        assert_eq!(world.fingerprint().await, before);
        assert_eq!(world.get(host).await.manifest, None);
    }
}

#[tokio::test]
async fn the_same_report_again_writes_nothing() {
    for world in World::both().await {
        world.import().await;
        let host = world.host(1, &[]).await;
        let components = vec![component("curl", "7.88.1-10+deb12u1", "curl")];
        assert_eq!(world.report(host, components.clone()).await.opened, 2);
        world
            .offer(host, vec![update("curl", "curl", "7.88.1-10+deb12u3")])
            .await;
        let before = world.fingerprint().await;
        let again = world.report(host, components).await;
        assert_eq!(
            again,
            ManifestOutcome {
                base_known: true,
                opened: 0,
                closed: 0,
                evaluated: true,
            }
        );
        world
            .offer(host, vec![update("curl", "curl", "7.88.1-10+deb12u3")])
            .await;
        let facts = HostFactsReport {
            host,
            facts: world.get(host).await.facts,
        };
        world
            .api
            .host_facts_report(&world.ctx, facts)
            .await
            .expect("facts");
        world.import().await;
        assert_eq!(world.fingerprint().await, before);
    }
}

#[tokio::test]
async fn a_delta_needs_its_base_and_must_hash() {
    for world in World::both().await {
        let host = world.host(1, &[]).await;
        let base = vec![component("a", "1", "a"), component("b", "1", "b")];
        let after = vec![component("a", "2", "a"), component("b", "1", "b")];
        let delta = ManifestDeltaReport {
            host,
            base: manifest_hash(&base),
            hash: manifest_hash(&after),
            added: vec![component("a", "2", "a")],
            removed: vec![component("a", "1", "a")],
        };
        let unknown = world
            .api
            .manifest_delta_report(&world.ctx, delta.clone())
            .await
            .expect("answer");
        assert!(!unknown.base_known);
        world.report(host, base).await;
        let wrong = ManifestDeltaReport {
            hash: Sha256::of(b"x"),
            ..delta.clone()
        };
        assert_eq!(
            world
                .api
                .manifest_delta_report(&world.ctx, wrong)
                .await
                .expect_err("refused")
                .code,
            ErrorCode::BadUserInput
        );
        assert!(
            world
                .api
                .manifest_delta_report(&world.ctx, delta)
                .await
                .expect("accepted")
                .base_known
        );
        assert_eq!(world.get(host).await.manifest, Some(manifest_hash(&after)));
        let list = ComponentList {
            host,
            name_contains: None,
            page: PageRequest::largest(),
        };
        let listed = world
            .api
            .component_list(&world.ctx, list)
            .await
            .expect("components")
            .into_nodes();
        assert_eq!(
            listed
                .iter()
                .map(|c| (c.key.name.as_str(), c.key.version.as_str()))
                .collect::<Vec<_>>(),
            [("a", "2"), ("b", "1")]
        );
    }
}

#[tokio::test]
async fn events_tell_what_a_report_changed() {
    for world in World::both().await {
        world.import().await;
        let host = world.host(1, &[]).await;
        let components = vec![
            component("curl", "7.88.1-10+deb12u1", "curl"),
            component("libcurl4", "7.88.1-10+deb12u1", "curl"),
        ];
        world.report(host, components).await;
        world
            .offer(host, vec![update("curl", "curl", "7.88.1-10+deb12u3")])
            .await;
        let events = world.events().await;
        assert!(
            matches!(events[0], InventoryEventV1::HostRegistered { host: of, site } if of == host && site == world.site)
        );
        let critical: Vec<_> = events
            .iter()
            .filter(|event| matches!(event, InventoryEventV1::CriticalFinding { .. }))
            .collect();
        assert_eq!(critical.len(), 1, "one event an advisory: {critical:?}");
        assert!(events.iter().any(|event| matches!(
            event,
            InventoryEventV1::HostReported {
                opened: 4,
                closed: 0,
                ..
            }
        )));
        let offered = InventoryEventV1::PatchesAvailable {
            host,
            patches: vec![crate::world::patch_id("curl", "7.88.1-10+deb12u3")],
        };
        assert_eq!(events.last(), Some(&offered));
    }
}

#[tokio::test]
async fn a_version_that_cannot_be_compared_is_said_not_hidden() {
    let world = World::direct().await;
    world.import().await;
    let host = world.host(1, &[]).await;
    world
        .report(
            host,
            vec![
                component("curl", "not a version", "curl"),
                component("zip", "3.0-13", "zip"),
            ],
        )
        .await;
    let stored = world.get(host).await;
    assert_eq!(
        stored.scan_problem,
        "1 components have a version that cannot be compared, first: curl"
    );
    assert_eq!(stored.open_findings.values().sum::<u64>(), 1);
}

#[tokio::test]
async fn a_broken_applicability_report_is_refused() {
    let world = World::direct().await;
    let host = world.host(1, &[]).await;
    let report = |updates| ApplicabilityReport {
        sources: Vec::new(),
        host,
        manifest: Sha256::default(),
        updates,
        problem: String::new(),
    };
    for updates in [
        vec![update("a", "a", "1"), update("a", "a", "2")],
        vec![update("", "a", "1")],
        vec![update("a", "a", "1 2")],
        vec![update("a\u{0}", "a", "1")],
    ] {
        let refused = world
            .api
            .applicability_report(&world.ctx, report(updates))
            .await
            .expect_err("refused");
        assert_eq!(refused.code, ErrorCode::BadUserInput);
    }
    let problem = ApplicabilityReport {
        sources: Vec::new(),
        problem: "apt is locked".into(),
        ..report(Vec::new())
    };
    world
        .api
        .applicability_report(&world.ctx, problem)
        .await
        .expect("stored");
    assert_eq!(world.get(host).await.scan_problem, "apt is locked");
}

#[tokio::test]
async fn the_largest_host_is_taken_whole_and_one_more_component_is_refused() {
    for world in World::both().await {
        let host = world.host(1, &[]).await;
        let named = |n: usize| component(&format!("package-{n:05}"), "1:1.2.3-4+deb12u5", "source");
        let mut components: Vec<_> = (0..MAX_COMPONENTS).map(named).collect();
        let hash = manifest_hash(&components);
        world.report(host, components.clone()).await;
        assert_eq!(world.get(host).await.manifest, Some(hash));
        components.push(named(MAX_COMPONENTS));
        let request = ManifestReport {
            host,
            hash: manifest_hash(&components),
            components,
        };
        let refused = world.api.manifest_report(&world.ctx, request).await;
        assert_eq!(refused.expect_err("refused").code, ErrorCode::BadUserInput);
        assert_eq!(world.get(host).await.manifest, Some(hash));
    }
}

#[tokio::test]
async fn a_component_is_known_by_its_id_while_a_host_that_one_may_see_has_it() {
    for world in World::both().await {
        let host = world.host(1, &[]).await;
        let (old, new) = (component("a", "1", "a"), component("a", "2", "a"));
        let rest: Vec<_> = (0..300)
            .map(|n| component(&format!("b{n}"), "1", "b"))
            .collect();
        let with = |one: &netpatch_types::ComponentKey| {
            let mut all = rest.clone();
            all.push(one.clone());
            all
        };
        let get = |one: &netpatch_types::ComponentKey| ComponentGet {
            id: component_id(one),
        };
        world.report(host, with(&old)).await;
        for one in rest.iter().chain([&old]) {
            let found = world.api.component_get(&world.ctx, get(one)).await;
            assert_eq!(found.expect("found").key, *one);
        }
        assert_eq!(
            code(world.api.component_get(&world.ctx, get(&new)).await),
            ErrorCode::NotFound
        );
        world.report(host, with(&new)).await;
        let gone = world.api.component_get(&world.ctx, get(&old)).await;
        assert_eq!(code(gone), ErrorCode::NotFound);
        let elsewhere = netpatch_testkit::test_context(world.ctx.deadline);
        let foreign = world.api.component_get(&elsewhere, get(&new)).await;
        assert_eq!(code(foreign), ErrorCode::NotFound);
    }
}

#[tokio::test]
async fn a_package_of_a_registry_is_matched_with_its_registrys_records_and_no_update_of_the_os_is_its_own()
 {
    for world in World::both().await {
        for (folder, file) in [
            ("pypi", "pypa-2024-10-10.osv.jsonl.zst"),
            ("npm", "nodejs-security-wg.jsonl.zst"),
            ("crates", "rustsec.jsonl.zst"),
        ] {
            let place = world.pack.path().join(folder);
            std::fs::create_dir_all(&place).expect("folder");
            let from = crate::matching::data("pack").join(folder).join(file);
            std::fs::copy(from, place.join(file)).expect("a feed");
        }
        world.import().await;
        let host = world.host(1, &[]).await;
        let registry = ComponentKey::of_registry;
        let image = format!("amd64@sha256:{}", "7".repeat(64));
        let mut components = vec![
            component("curl", "7.88.1-10+deb12u1", "curl"),
            // The same package inside an image is another component.
            ComponentKey {
                arch: image.clone(),
                ..component("curl", "7.88.1-10+deb12u1", "curl")
            },
            registry(Ecosystem::Pypi, "requests", "2.4.2"),
            registry(Ecosystem::Npm, "npm-git-publish", "0.0.1"),
            registry(Ecosystem::Cargo, "bytes", "1.9.0"),
            registry(Ecosystem::Golang, "example.org/m", "v1.0.0"),
        ];
        world.report(host, components.clone()).await;
        let ids = |findings: Vec<Finding>, ecosystem: Ecosystem| -> Vec<String> {
            let mut ids: Vec<_> = findings
                .into_iter()
                .filter(|finding| finding.component.ecosystem == ecosystem)
                .map(|finding| finding.advisory.name)
                .collect();
            ids.sort();
            ids
        };
        let all = world.findings(FindingFilter::default()).await;
        let count = |ecosystem| ids(all.clone(), ecosystem).len();
        assert_eq!(count(Ecosystem::Pypi), 3, "{all:#?}");
        assert_eq!((count(Ecosystem::Npm), count(Ecosystem::Cargo)), (1, 1));
        assert_eq!(count(Ecosystem::Deb), 4);
        let requests = all
            .iter()
            .find(|finding| finding.component.ecosystem == Ecosystem::Pypi)
            .expect("a finding");
        assert_eq!(requests.component.purl(), "pkg:pypi/requests@2.4.2");
        assert_eq!(requests.component.release, "");
        // The OS offers packages of these names: they are other packages.
        world
            .offer(
                host,
                vec![
                    update("requests", "requests", "99-1"),
                    update("curl", "curl", "7.88.1-10+deb12u3"),
                ],
            )
            .await;
        let all = world.findings(FindingFilter::default()).await;
        for finding in &all {
            let key = &finding.component;
            assert_eq!(finding.patch.is_some(), key.is_of_host(), "{finding:#?}");
        }
        // The upgrade closes what the host itself had, not what the image has.
        components[0] = component("curl", "7.88.1-10+deb12u3", "curl");
        world.report(host, components.clone()).await;
        let left = world.findings(FindingFilter::default()).await;
        let of_curl: Vec<_> = left
            .iter()
            .filter(|finding| finding.component.name == "curl" && finding.resolved_at.is_none())
            .map(|finding| finding.component.arch.clone())
            .collect();
        assert_eq!(of_curl, [image.clone(), image.clone()]);
        let list = ComponentList {
            host,
            name_contains: Some("requests".into()),
            page: PageRequest::largest(),
        };
        let listed = world
            .api
            .component_list(&world.ctx, list)
            .await
            .expect("components")
            .into_nodes();
        assert_eq!(listed[0].key, components[2]);
    }
}

#[tokio::test]
async fn a_registrys_package_with_a_release_and_a_million_components_are_refused() {
    for world in World::both().await {
        let host = world.host(1, &[]).await;
        let placed = ComponentKey {
            release: "bookworm".into(),
            ..ComponentKey::of_registry(Ecosystem::Pypi, "requests", "2.4.2")
        };
        let refused = |components: Vec<ComponentKey>| async {
            let request = ManifestReport {
                host,
                hash: Sha256::default(),
                components,
            };
            let refused = world.api.manifest_report(&world.ctx, request).await;
            refused.expect_err("refused").message
        };
        let message = refused(vec![placed]).await;
        assert!(message.contains("release should be empty"), "{message}");
        let many = vec![component("a", "1", "a"); MAX_COMPONENTS + 1];
        let message = refused(many).await;
        assert!(message.contains("more than 50000"), "{message}");
        assert_eq!(world.get(host).await.manifest, None);
    }
}
