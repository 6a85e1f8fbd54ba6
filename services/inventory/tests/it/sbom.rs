//! What a bill of materials is made of.

use crate::tenancy::code;
use crate::world::{World, component};
use netpatch_inventory_api::*;
use netpatch_types::ErrorCode;

#[tokio::test]
async fn hosts_come_page_by_page_with_components_and_findings_of_the_scope_only() {
    for world in World::both().await {
        world.import().await;
        let curl = component("curl", "7.88.1-10+deb12u1", "curl");
        let zip = component("zip", "3.0-13", "zip");
        let mut hosts = Vec::new();
        for machine in 1..=25 {
            let host = world.host(machine, &[]).await;
            let extra = component(&format!("p{machine}"), "1", "p");
            world.report(host, vec![curl.clone(), extra]).await;
            hosts.push(host);
        }
        world.report(hosts[0], vec![zip.clone()]).await;
        let ask = |after| SbomHosts {
            after,
            described: true,
            ..SbomHosts::default()
        };
        let first = world
            .api
            .sbom_hosts(&world.ctx, ask(None))
            .await
            .expect("page");
        assert_eq!((first.hosts.len(), first.next.is_some()), (20, true));
        let last = world
            .api
            .sbom_hosts(&world.ctx, ask(first.next.clone()))
            .await
            .expect("page");
        assert_eq!((last.hosts.len(), last.next), (5, None));
        let curls = first
            .components
            .iter()
            .filter(|one| one.key.name == "curl")
            .count();
        assert_eq!(curls, 1, "each once");
        let known: Vec<_> = first.components.iter().map(|one| one.id).collect();
        assert!(
            first
                .hosts
                .iter()
                .flat_map(|one| &one.components)
                .all(|id| known.contains(id))
        );
        let all = world
            .api
            .sbom_findings(&world.ctx, SbomFindings::default())
            .await
            .expect("page");
        let names: Vec<&str> = all
            .vulnerabilities
            .iter()
            .map(|one| one.advisory.name.as_str())
            .collect();
        assert_eq!((names.len(), all.next), (3, None), "{names:?}");
        assert!(all.vulnerabilities.iter().all(|one| one.affects.len() == 1));
        let one = SbomFindings {
            host: Some(hosts[0]),
            ..SbomFindings::default()
        };
        let found = world
            .api
            .sbom_findings(&world.ctx, one)
            .await
            .expect("page");
        assert_eq!(found.vulnerabilities.len(), 1);
        assert_eq!(
            found.vulnerabilities[0].affects[0].fixed_version,
            "3.0-13+deb12u1"
        );
        let stranger = world.stranger();
        let foreign = SbomHosts {
            host: Some(hosts[0]),
            ..SbomHosts::default()
        };
        assert_eq!(
            code(world.api.sbom_hosts(&stranger, foreign).await),
            ErrorCode::NotFound
        );
        let foreign = SbomFindings {
            host: Some(hosts[0]),
            ..SbomFindings::default()
        };
        assert_eq!(
            code(world.api.sbom_findings(&stranger, foreign).await),
            ErrorCode::NotFound
        );
        let none = world
            .api
            .sbom_hosts(&stranger, SbomHosts::default())
            .await
            .expect("empty");
        assert!(none.hosts.is_empty() && none.components.is_empty());
        let mut narrow = world.ctx.clone();
        narrow.sites = Some(vec![]);
        let none = world
            .api
            .sbom_findings(&narrow, SbomFindings::default())
            .await
            .expect("empty");
        assert!(none.vulnerabilities.is_empty());
    }
}
