//! Baselines: checked, versioned, told to inventory and to the ledger.

use crate::world::World;
use netpatch_inventory_api::{BaselinesSet, FollowedBaseline};
use netpatch_policy_api::*;
use netpatch_types::*;

pub(crate) fn spec(name: &str, followed: bool) -> BaselineSpec {
    BaselineSpec {
        name: name.into(),
        standard: Standard::Own,
        group: None,
        rules: vec![BaselineRule {
            name: "all".into(),
            within_days: 14,
            ..BaselineRule::default()
        }],
        followed,
    }
}

async fn create(world: &World, spec: BaselineSpec) -> ServiceResult<Baseline> {
    world
        .api
        .baseline_create(&world.person(1), BaselineCreate { spec })
        .await
}

/// What inventory was told last.
fn told(world: &World) -> Option<(u64, Vec<String>)> {
    let facts = world.facts.lock().unwrap();
    facts
        .baselines
        .get(&world.tenant)
        .map(|BaselinesSet { version, followed }| {
            let name = |baseline: &FollowedBaseline| baseline.name.clone();
            (*version, followed.iter().map(name).collect())
        })
}

#[tokio::test]
async fn inventory_learns_what_is_followed_and_the_ledger_what_was_changed() {
    for world in [World::direct().await, World::remote().await] {
        let draft = create(&world, spec("draft", false)).await.unwrap();
        world.settle().await;
        assert_eq!(told(&world), None, "a draft decides nothing");
        let federal = BaselineSpec {
            standard: Standard::CisaBod2604,
            rules: vec![],
            ..spec("federal", true)
        };
        let federal = create(&world, federal).await.unwrap();
        world.settle().await;
        assert_eq!(told(&world), Some((1, vec!["federal".into()])));
        let followed = BaselineUpdate {
            id: draft.id,
            if_match: Some(draft.etag),
            spec: spec("ours", true),
        };
        let followed = world
            .api
            .baseline_update(&world.person(1), followed)
            .await
            .unwrap();
        assert_eq!(
            (followed.etag.as_str(), followed.spec.name.as_str()),
            ("2", "ours")
        );
        world.settle().await;
        assert_eq!(
            told(&world),
            Some((2, vec!["federal".into(), "ours".into()]))
        );
        let archive = BaselineArchive {
            id: federal.id,
            if_match: None,
        };
        let archived = world
            .api
            .baseline_archive(&world.person(1), archive.clone())
            .await
            .unwrap();
        assert_eq!(archived.archived_at, Some(world.clock.now()));
        world.settle().await;
        assert_eq!(told(&world), Some((3, vec!["ours".into()])));
        // Again changes nothing.
        let again = world.api.baseline_archive(&world.person(1), archive).await;
        assert_eq!(again.as_ref(), Ok(&archived));
        world.settle().await;
        assert_eq!(told(&world).map(|(version, _)| version), Some(3));
        let changes: Vec<_> = world
            .events()
            .await
            .into_iter()
            .filter_map(|event| match event {
                PolicyEventV1::BaselineChanged {
                    name,
                    followed,
                    archived,
                    by,
                    ..
                } => {
                    assert_eq!(by.kind, ActorKind::User);
                    Some((name, followed, archived))
                }
                _ => None,
            })
            .collect();
        let change = |name: &str, followed, archived| (name.to_owned(), followed, archived);
        assert_eq!(
            changes,
            [
                change("draft", false, false),
                change("federal", true, false),
                change("ours", true, false),
                change("federal", false, true),
            ]
        );
    }
}

#[tokio::test]
async fn what_was_changed_meanwhile_archived_or_taken_is_refused() {
    let world = World::direct().await;
    let held = create(&world, spec("ours", true)).await.unwrap();
    let code = |result: ServiceResult<Baseline>| result.map_err(|error| (error.code, error.path));
    assert_eq!(
        code(create(&world, spec("ours", false)).await),
        Err((ErrorCode::BadUserInput, vec!["name".to_owned()]))
    );
    let update = |if_match: Option<&str>, name: &str| BaselineUpdate {
        id: held.id,
        if_match: if_match.map(str::to_owned),
        spec: spec(name, true),
    };
    let ask = async |update| world.api.baseline_update(&world.person(1), update).await;
    assert_eq!(
        code(ask(update(Some("7"), "x")).await),
        Err((ErrorCode::Conflict, vec![]))
    );
    assert_eq!(
        ask(update(Some("1"), "ours")).await.as_ref(),
        Ok(&held),
        "the same again is no change"
    );
    let unknown = BaselineSpec {
        group: Some(GroupId::new(world.clock.now())),
        ..spec("grouped", true)
    };
    assert_eq!(
        code(create(&world, unknown).await),
        Err((ErrorCode::NotFound, vec!["group".to_owned()]))
    );
    let revoked = BaselineSpec {
        standard: Standard::CisaBod2201,
        rules: vec![],
        ..spec("old", true)
    };
    assert_eq!(
        code(create(&world, revoked).await),
        Err((ErrorCode::BadUserInput, vec!["standard".to_owned()]))
    );
    let archive = BaselineArchive {
        id: held.id,
        if_match: None,
    };
    world
        .api
        .baseline_archive(&world.person(1), archive)
        .await
        .unwrap();
    assert_eq!(
        code(ask(update(None, "ours")).await),
        Err((ErrorCode::InvalidState, vec![]))
    );
    // The name is free again.
    assert!(create(&world, spec("ours", true)).await.is_ok());
    // Who may only read writes nothing, nor does a grant for some sites.
    let mut reader = world.person(2);
    reader.permissions = [Permission::Read].into();
    let mut local = world.person(3);
    local.sites = Some(vec![SiteId::new(world.clock.now())]);
    for ctx in [reader, local] {
        let create = BaselineCreate {
            spec: spec("theirs", true),
        };
        assert_eq!(
            code(world.api.baseline_create(&ctx, create).await),
            Err((ErrorCode::Forbidden, vec![]))
        );
    }
}

#[tokio::test]
async fn baselines_are_listed_by_name_with_their_filters() {
    let world = World::direct().await;
    for (name, followed) in [("c", true), ("a", false), ("b", true)] {
        create(&world, spec(name, followed)).await.unwrap();
    }
    let gone = create(&world, spec("d", true)).await.unwrap();
    let archive = BaselineArchive {
        id: gone.id,
        if_match: None,
    };
    world
        .api
        .baseline_archive(&world.person(1), archive)
        .await
        .unwrap();
    let names = async |followed, archived, first| {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let request = BaselineList {
                page: PageRequest { first, after },
                followed,
                archived,
            };
            let page = world
                .api
                .baseline_list(&world.person(1), request)
                .await
                .unwrap();
            after = page.rows.last().map(|row| row.cursor.clone());
            let has_next = page.has_next;
            names.extend(page.into_nodes().into_iter().map(|node| node.spec.name));
            if !has_next {
                return names;
            }
        }
    };
    assert_eq!(names(None, false, 1).await, ["a", "b", "c"]);
    assert_eq!(names(None, true, 100).await, ["a", "b", "c", "d"]);
    assert_eq!(names(Some(true), true, 100).await, ["b", "c"]);
    assert_eq!(names(Some(false), false, 100).await, ["a"]);
}
