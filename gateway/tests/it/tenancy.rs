//! Two tenants: for every root field and mutation another organization's ids are as good as none, and no service is asked about it.

pub(crate) mod cases;

use crate::world::World;
use cases::*;
use netpatch_auth::{Role, SiteCreate};
use netpatch_types::{OrganizationId, PatchId, PublicId};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// The public id of object 7 of an organization.
pub(crate) fn public(prefix: &str, of: OrganizationId) -> String {
    let prefix = netpatch_types::id::PREFIXES
        .iter()
        .find(|known| **known == prefix)
        .unwrap();
    PublicId::Tenant {
        prefix,
        organization: of,
        object: Uuid::from_u128(7),
    }
    .to_string()
}

pub(crate) fn patch() -> String {
    PatchId(Uuid::from_u128(7)).public()
}

/// Writes ids into a template.
pub(crate) struct Ids {
    of: OrganizationId,
    site: String,
    token: String,
    delegation: String,
}

impl Ids {
    pub(crate) async fn of(world: &World, of: OrganizationId) -> Self {
        let ctx = world.system(of);
        let create = SiteCreate {
            name: "Main".into(),
            time_zone: "UTC".into(),
            direct_allowed: true,
            upstreams: Vec::new(),
        };
        let site = world.auth.site_create(&ctx, create).await.unwrap();
        let create = netpatch_auth::EnrolmentTokenCreate {
            site: site.id,
            labels: Default::default(),
            for_relay: false,
            max_uses: 1,
            ttl_seconds: 600,
        };
        let (token, _) = world
            .auth
            .enrolment_token_create(&ctx, create)
            .await
            .unwrap();
        Self {
            of,
            site: site.id.public(of),
            token: token.id.public(of),
            delegation: public("dlg", of),
        }
    }

    pub(crate) fn fill(&self, template: &str) -> String {
        let mut text = template.replace("ROLLOUT", ROLLOUT);
        let known = [
            ("$org", self.of.public(self.of)),
            ("$site", self.site.clone()),
            ("$enrol", self.token.clone()),
            ("$dlg", self.delegation.clone()),
            ("$patch", patch()),
        ];
        for (name, id) in known {
            text = text.replace(name, &format!("\"{id}\""));
        }
        for prefix in [
            "host",
            "asset",
            "relay",
            "deploy",
            "window",
            "policy",
            "approval",
            "webhook",
            "delivery",
            "baseline",
            "exception",
        ] {
            text = text.replace(
                &format!("${prefix}"),
                &format!("\"{}\"", public(prefix, self.of)),
            );
        }
        text
    }
}

fn document(kind: &str, (field, arguments, selection): Case, ids: &Ids) -> String {
    let arguments = if arguments.is_empty() {
        String::new()
    } else {
        format!("({})", ids.fill(arguments))
    };
    format!("{kind} {{ {field}{arguments} {selection} }}")
}

/// No service was asked about, or as, anybody but the own organization.
fn assert_own_only(world: &World, what: &str) {
    for call in world.script.calls() {
        assert!(
            call.ctx
                .read
                .iter()
                .chain(&call.ctx.write)
                .all(|of| *of == world.own),
            "{what} asked {} as {:?}",
            call.method,
            call.ctx.read
        );
        assert!(
            !call.body.to_string().contains(&world.foreign.to_string()),
            "{what} asked {} about a foreign organization",
            call.method
        );
    }
}

#[tokio::test]
async fn no_query_crosses_organizations() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Owner).await;
    let (own, foreign) = (
        Ids::of(&world, world.own).await,
        Ids::of(&world, world.foreign).await,
    );
    for case in QUERIES {
        let answer = world
            .ask(&token, &document("query", case, &own), json!({}))
            .await
            .json();
        let found = &answer["data"][case.0];
        assert!(
            answer.get("errors").is_none() && !found.is_null() && *found != json!([null, null]),
            "{}: {answer}",
            case.0
        );
        world.script.forget();
        let answer = world
            .ask(&token, &document("query", case, &foreign), json!({}))
            .await
            .json();
        assert!(answer.get("errors").is_none(), "{}: {answer}", case.0);
        let found = &answer["data"][case.0];
        let is_listing = ["organizations", "viewer"].contains(&case.0);
        assert!(
            is_listing || found.is_null() || *found == json!([null, null]),
            "{}: {answer}",
            case.0
        );
        assert!(
            !answer.to_string().contains(&world.id(world.foreign)),
            "{}: {answer}",
            case.0
        );
        assert_own_only(&world, case.0);
    }
    for case in SHARED {
        world.script.forget();
        let answer = world
            .ask(&token, &document("query", case, &own), json!({}))
            .await
            .json();
        assert!(answer.get("errors").is_none(), "{}: {answer}", case.0);
        assert_own_only(&world, case.0);
    }
}

#[tokio::test]
async fn no_node_crosses_organizations() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Owner).await;
    let (own, foreign) = (
        Ids::of(&world, world.own).await,
        Ids::of(&world, world.foreign).await,
    );
    let query = "query($id: ID!) { node(id: $id) { id __typename } }";
    for prefix in netpatch_types::id::PREFIXES {
        // Not nodes: people and programs. Catalog: shared by all.
        if ["user", "client", "advisory", "patch", "component"].contains(prefix) {
            continue;
        }
        let of = |ids: &Ids| match *prefix {
            "org" => ids.of.public(ids.of),
            "site" => ids.site.clone(),
            "enrol" => ids.token.clone(),
            prefix => public(prefix, ids.of),
        };
        world.script.forget();
        let answer = world
            .ask(&token, query, json!({"id": of(&foreign)}))
            .await
            .json();
        assert_eq!(
            answer,
            json!({"data": {"node": null}, "extensions": answer["extensions"]}),
            "{prefix}"
        );
        assert!(world.script.calls().is_empty(), "{prefix}");
        // Delegations and relays come into being by other ways; every other kind is found.
        if !["dlg", "relay"].contains(prefix) {
            let answer = world
                .ask(&token, query, json!({"id": of(&own)}))
                .await
                .json();
            assert_eq!(
                answer["data"]["node"]["id"],
                json!(of(&own)),
                "{prefix}: {answer}"
            );
        }
    }
    for nonsense in ["", "x", "host_", "host_!", &"a".repeat(500)] {
        assert_eq!(
            world
                .ask(&token, query, json!({"id": nonsense}))
                .await
                .json()["data"]["node"],
            Value::Null,
            "{nonsense:?}"
        );
    }
}

#[tokio::test]
async fn a_component_is_asked_for_in_the_own_organizations_only() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Owner).await;
    let key = netpatch_types::ComponentKey {
        ecosystem: netpatch_types::Ecosystem::Deb,
        distribution: "debian".into(),
        release: "bookworm".into(),
        name: "a".into(),
        version: "1".into(),
        arch: "amd64".into(),
        source: "a".into(),
        source_version: "1".into(),
    };
    let known = uuid::Uuid::from_u128(7);
    world.script.answer_with(move |method, body| {
        (method == "component_get").then(|| match body["id"] == json!(known) {
            true => Ok(json!({"id": known, "key": key})),
            false => Err(netpatch_types::ServiceError::not_found("component")),
        })
    });
    let query = "query($id: ID!) { node(id: $id) { id ... on Component { purl } } }";
    for (object, found) in [(known, true), (uuid::Uuid::from_u128(8), false)] {
        world.script.forget();
        let id = netpatch_types::ComponentId(object).public();
        let answer = world.ask(&token, query, json!({"id": id})).await.json();
        let node = &answer["data"]["node"];
        assert_eq!(node["id"] == json!(id), found, "{answer}");
        assert_eq!(node.is_null(), !found, "{answer}");
        assert_own_only(&world, "node");
    }
}

#[tokio::test]
async fn no_mutation_crosses_organizations() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Owner).await;
    let (own, foreign) = (
        Ids::of(&world, world.own).await,
        Ids::of(&world, world.foreign).await,
    );
    for (field, input) in MUTATIONS {
        let ask = async |ids: &Ids, key: &str| {
            let document = format!(
                "mutation {{ {field}(input: {{{}, idempotencyKey: \"{key}\"}}) {{ userErrors {{ code message path }} }} }}",
                ids.fill(input)
            );
            let answer = world.ask(&token, &document, json!({})).await.json();
            assert!(answer.get("errors").is_none(), "{field}: {answer}");
            answer["data"][field]["userErrors"].clone()
        };
        world.script.forget();
        let refused = ask(&foreign, &format!("foreign {field}")).await;
        assert_eq!(refused[0]["code"], "NOT_FOUND", "{field}: {refused}");
        assert_own_only(&world, field);
        assert!(world.script.calls().is_empty(), "{field} reached a service");
        if !OTHERWISE_REFUSED.contains(&field) {
            assert_eq!(
                ask(&own, &format!("own {field}")).await,
                json!([]),
                "{field}"
            );
        }
    }
}

/// Every root field and mutation stands in one of the lists above; subscriptions in `socket.rs`.
#[test]
fn every_root_field_has_a_two_tenant_test() {
    let tested: BTreeSet<&str> = QUERIES
        .iter()
        .chain(&SHARED)
        .map(|case| case.0)
        .chain(MUTATIONS.iter().map(|case| case.0))
        .chain(crate::socket::FOLLOWED)
        .collect();
    let all: BTreeSet<String> = ["Query", "Mutation", "Subscription"]
        .iter()
        .flat_map(|root| crate::schema::root_fields(root))
        .collect();
    let untested: Vec<&String> = all
        .iter()
        .filter(|field| !tested.contains(field.as_str()))
        .collect();
    assert!(
        untested.is_empty(),
        "without a two-tenant test: {untested:?}"
    );
    assert_eq!(tested.len(), all.len(), "tests of fields that are gone");
}
