//! The portal's files and reports.

use crate::world::World;
use axum::http::StatusCode;
use netpatch_auth::Role;
use netpatch_gateway::Settings;

#[tokio::test]
async fn without_a_build_a_page_says_how_to_build_it() {
    let world = World::new().await;
    let answer = world.get("/hosts", &[]).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.text.contains("npm"), "{}", answer.text);
}

#[tokio::test]
async fn pages_fall_back_and_assets_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("assets")).unwrap();
    std::fs::write(folder.path().join("index.html"), "<title>portal</title>").unwrap();
    std::fs::write(folder.path().join("assets/app-1a2b.js"), "1").unwrap();
    std::fs::write(
        folder.path().parent().unwrap().join("netpatch-outside.txt"),
        "secret",
    )
    .unwrap();
    let world = World::with(Settings {
        portal: Some(folder.path().to_owned()),
        ..Settings::default()
    })
    .await;
    for page in ["/", "/hosts", "/deployments/deploy_x"] {
        let answer = world.get(page, &[]).await;
        assert_eq!(
            (
                answer.status,
                answer.text.as_str(),
                answer.header("cache-control")
            ),
            (StatusCode::OK, "<title>portal</title>", "no-cache"),
            "{page}"
        );
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'")
                && policy.contains("script-src 'self';")
                && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    let asset = world.get("/assets/app-1a2b.js", &[]).await;
    assert!(
        asset.status == StatusCode::OK
            && asset.header("cache-control").contains("immutable")
            && asset.header("content-type").contains("javascript")
    );
    for absent in [
        "/assets/app-old.js",
        "/favicon.ico",
        "/../netpatch-outside.txt",
        "/%2e%2e/netpatch-outside.txt",
    ] {
        let answer = world.get(absent, &[]).await;
        assert!(
            answer.status == StatusCode::NOT_FOUND || !answer.text.contains("secret"),
            "{absent} {}",
            answer.text
        );
    }
    std::fs::remove_file(folder.path().parent().unwrap().join("netpatch-outside.txt")).unwrap();
}

#[tokio::test]
async fn a_report_is_for_its_organization() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Owner).await;
    let authorization = format!("Bearer {token}");
    let path = |of| format!("/reports/{}", crate::tenancy::public("report", of));
    let answer = world
        .get(&path(world.own), &[("authorization", &authorization)])
        .await;
    assert_eq!(
        (
            answer.status,
            answer.text.as_str(),
            answer.header("content-type")
        ),
        (StatusCode::OK, "a,b\n", "text/csv")
    );
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"findings.csv\""
    );
    world.script.forget();
    for foreign in [path(world.foreign), "/reports/nonsense".to_owned()] {
        assert_eq!(
            world
                .get(&foreign, &[("authorization", &authorization)])
                .await
                .status,
            StatusCode::NOT_FOUND
        );
    }
    assert_eq!(
        world.get(&path(world.own), &[]).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert!(world.script.calls().is_empty());
}
