//! Exceptions: asked for, approved by others, told to inventory while they are in force.

use crate::world::World;
use netpatch_policy_api::*;
use netpatch_types::*;
use std::time::Duration;

pub(crate) fn spec(world: &World, name: &str, days: i64) -> ExceptionSpec {
    ExceptionSpec {
        name: name.into(),
        covers: ExceptionScope {
            packages: vec!["openssl".into()],
            ..ExceptionScope::default()
        },
        owner: "Ada Lovelace".into(),
        reason: "the vendor of the application certifies next month".into(),
        until: world.clock.now() + chrono::Duration::days(days),
    }
}

async fn ask(world: &World, spec: ExceptionSpec) -> ServiceResult<Exception> {
    let request = ExceptionRequest { spec, required: 1 };
    world.api.exception_request(&world.person(1), request).await
}

/// Names of what inventory was told last, and its version.
fn told(world: &World) -> Option<(u64, Vec<String>)> {
    let facts = world.facts.lock().unwrap();
    let set = facts.exceptions.get(&world.tenant)?;
    let names = set.exceptions.iter().map(|one| one.name.clone());
    Some((set.version, names.collect()))
}

#[tokio::test]
async fn an_exception_is_in_force_once_another_person_approved_it_until_its_end() {
    for world in [World::direct().await, World::remote().await] {
        let asked = ask(&world, spec(&world, "late", 30)).await.unwrap();
        assert_eq!(
            (asked.status, asked.approval.subject),
            (
                ExceptionStatus::Awaiting,
                Subject::Exception {
                    exception: asked.id
                }
            )
        );
        world.settle().await;
        assert_eq!(told(&world), None, "nobody decided");
        let own = world.decide(1, asked.approval.id, Verdict::Approve).await;
        assert_eq!(own.unwrap_err().code, ErrorCode::SelfApproval);
        let approved = world
            .decide(2, asked.approval.id, Verdict::Approve)
            .await
            .unwrap();
        assert_eq!(approved.expires_at, Some(asked.spec.until));
        let get = ExceptionGet { id: asked.id };
        let before = world
            .api
            .exception_get(&world.person(1), get)
            .await
            .unwrap();
        assert_eq!(
            before.status,
            ExceptionStatus::Awaiting,
            "the ledger does not have it yet"
        );
        world.settle().await;
        let (_, names) = told(&world).expect("told");
        assert_eq!(names, ["late"]);
        let held = world
            .api
            .exception_get(&world.person(1), get)
            .await
            .unwrap();
        assert_eq!(held.status, ExceptionStatus::InForce);
        // Its end comes: inventory is told without anybody asking.
        world.clock.advance(Duration::from_secs(31 * 86_400));
        world.settle().await;
        assert_eq!(told(&world).expect("told").1, Vec::<String>::new());
        let over = world
            .api
            .exception_get(&world.person(1), get)
            .await
            .unwrap();
        assert_eq!(over.status, ExceptionStatus::Expired);
    }
}

#[tokio::test]
async fn what_is_ended_declined_or_taken_back_is_not_in_force() {
    let world = World::direct().await;
    let mut made = Vec::new();
    for name in ["ended", "declined", "taken back", "kept"] {
        made.push(ask(&world, spec(&world, name, 30)).await.unwrap());
        // Exceptions are in order of their time.
        world.clock.advance(Duration::from_secs(1));
    }
    for index in [0, 1, 3] {
        world
            .decide(2, made[index].approval.id, Verdict::Approve)
            .await
            .unwrap();
    }
    let end = |index: usize| ExceptionEnd { id: made[index].id };
    let back = world
        .api
        .exception_end(&world.person(3), end(2))
        .await
        .unwrap();
    assert_eq!(
        (back.status, back.approval.status),
        (ExceptionStatus::Ended, ApprovalStatus::Expired)
    );
    let late = world.decide(2, made[2].approval.id, Verdict::Approve).await;
    assert_eq!(late.unwrap_err().code, ErrorCode::InvalidState);
    world.settle().await;
    let (version, names) = told(&world).expect("told");
    assert_eq!(names, ["ended", "declined", "kept"]);
    let ended = world
        .api
        .exception_end(&world.person(3), end(0))
        .await
        .unwrap();
    assert_eq!(ended.ended_at, Some(world.clock.now()));
    assert_eq!(
        world.api.exception_end(&world.person(3), end(0)).await,
        Ok(ended)
    );
    world
        .decide(4, made[1].approval.id, Verdict::Decline)
        .await
        .unwrap();
    world.settle().await;
    let (newer, names) = told(&world).expect("told");
    assert!(newer > version);
    assert_eq!(names, ["kept"]);
    let statuses: Vec<_> = world
        .api
        .exception_list(
            &world.person(1),
            ExceptionList {
                page: PageRequest::largest(),
                tenant: None,
            },
        )
        .await
        .unwrap()
        .into_nodes()
        .into_iter()
        .map(|one| one.status)
        .collect();
    assert_eq!(
        statuses,
        [
            ExceptionStatus::InForce,
            ExceptionStatus::Ended,
            ExceptionStatus::Declined,
            ExceptionStatus::Ended
        ]
    );
    let logged: Vec<_> = world
        .events()
        .await
        .into_iter()
        .filter_map(|event| match event {
            PolicyEventV1::ExceptionChanged { name, ended, .. } if ended => Some(name),
            _ => None,
        })
        .collect();
    assert_eq!(logged, ["taken back", "ended"]);
}

#[tokio::test]
async fn nothing_excepts_everything_and_nobody_for_ever() {
    let world = World::direct().await;
    let good = spec(&world, "late", 30);
    let with = |change: fn(&mut ExceptionSpec)| {
        let mut spec = good.clone();
        change(&mut spec);
        spec
    };
    for (odd, field) in [
        (with(|spec| spec.covers.packages.clear()), "covers"),
        (
            with(|spec| spec.covers.packages = vec![String::new()]),
            "covers",
        ),
        (
            with(|spec| spec.covers.packages = vec!["x".into(); 101]),
            "covers",
        ),
        (
            with(|spec| spec.covers.advisories = vec!["a\n".into()]),
            "covers",
        ),
        (with(|spec| spec.reason = " a ".into()), "reason"),
        (with(|spec| spec.owner.clear()), "owner"),
        (with(|spec| spec.name = "x".repeat(81)), "name"),
        (
            with(|spec| spec.until -= chrono::Duration::days(31)),
            "until",
        ),
        (
            with(|spec| spec.until += chrono::Duration::days(800)),
            "until",
        ),
    ] {
        let refused = ask(&world, odd.clone()).await.expect_err("refused");
        assert_eq!(
            (refused.code, refused.path),
            (ErrorCode::BadUserInput, vec![field.to_owned()]),
            "{odd:?}"
        );
    }
    let mut foreign = good.clone();
    foreign.covers.group = Some(GroupId::new(world.clock.now()));
    assert_eq!(
        ask(&world, foreign).await.unwrap_err().code,
        ErrorCode::NotFound
    );
    for required in [0, 6] {
        let request = ExceptionRequest {
            spec: good.clone(),
            required,
        };
        let refused = world.api.exception_request(&world.person(1), request).await;
        assert_eq!(refused.unwrap_err().path, ["required"]);
    }
    let mut unentitled = world.person(1);
    unentitled.permissions.remove(&Permission::Deploy);
    let mut one_site = world.person(1);
    one_site.sites = Some(vec![]);
    for ctx in [unentitled, one_site] {
        let request = ExceptionRequest {
            spec: good.clone(),
            required: 1,
        };
        let refused = world.api.exception_request(&ctx, request).await;
        assert_eq!(refused.unwrap_err().code, ErrorCode::Forbidden);
    }
    // An approval of an exception is asked for with the exception only.
    let made = ask(&world, good).await.unwrap();
    let again = ApprovalRequest {
        subject: made.approval.subject,
        required: 1,
    };
    let refused = world.api.approval_request(&world.person(3), again).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::BadUserInput);
}
