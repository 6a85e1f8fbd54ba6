//! The private PostgreSQL: started, attached to, stopped, killed, started again.

use netpatch_storage::postgres::{PostgresError, attach};
use netpatch_storage::roles::connect_one;
use netpatch_storage::{PostgresSettings, PrivatePostgres};
use netpatch_testkit::{poll_until, poll_until_blocking};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sea_orm::ConnectionTrait as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn settings(folder: &Path) -> PostgresSettings {
    PostgresSettings::new(folder.join("postgres"))
}

async fn execute(server: &netpatch_storage::Connection, sql: &str) -> Result<u64, String> {
    let connection = connect_one(&server.admin_url("postgres"))
        .await
        .map_err(|error| error.to_string())?;
    let done = connection
        .execute_unprepared(sql)
        .await
        .map(|done| done.rows_affected())
        .map_err(|error| error.to_string());
    connection
        .close()
        .await
        .map_err(|error| error.to_string())?;
    done
}

fn alive(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None).is_ok()
}

#[tokio::test]
async fn it_starts_is_attached_to_stops_and_keeps_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let server = PrivatePostgres::start(settings(folder.path()))
        .await
        .unwrap();
    execute(server.connection(), "create table kept as select 1 as x")
        .await
        .unwrap();
    let directory = folder.path().join("postgres");
    assert!(attach(&directory).unwrap().as_ref() == Some(server.connection()));
    let mode = std::fs::metadata(directory.join("password"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = PrivatePostgres::start(settings(folder.path())).await;
    assert!(
        matches!(second, Err(PostgresError::Running(_))),
        "{second:?}"
    );
    let pid = server.connection().pid();
    server.stop().await;
    assert!(!alive(pid));
    assert!(attach(&directory).unwrap().is_none());

    let begun = Instant::now();
    let server = PrivatePostgres::start(settings(folder.path()))
        .await
        .unwrap();
    assert_eq!(
        execute(server.connection(), "select * from kept")
            .await
            .unwrap(),
        1
    );
    println!("started again and asked in {:?}", begun.elapsed());
    server.stop().await;
}

#[tokio::test]
async fn it_tells_when_the_server_is_killed_and_starts_again_over_what_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let server = PrivatePostgres::start(settings(folder.path()))
        .await
        .unwrap();
    execute(server.connection(), "create table kept as select 1 as x")
        .await
        .unwrap();
    kill(Pid::from_raw(server.connection().pid()), Signal::SIGKILL).unwrap();
    assert!(server.ended().await.contains("signal: 9"));
    assert!(
        folder
            .path()
            .join("postgres/cluster/postmaster.pid")
            .exists(),
        "a stale file is left"
    );
    let server = PrivatePostgres::start(settings(folder.path()))
        .await
        .unwrap();
    assert_eq!(
        execute(server.connection(), "select * from kept")
            .await
            .unwrap(),
        1
    );
    server.stop().await;
}

#[tokio::test]
async fn a_half_made_cluster_and_a_stale_file_with_a_strangers_number_do_not_hinder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("postgres/cluster.new/base")).unwrap();
    let server = PrivatePostgres::start(settings(folder.path()))
        .await
        .unwrap();
    server.stop().await;
    let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
    let stale = format!(
        "{}\n/nowhere\n1\n5432\n/nowhere\n\n 1 1\nready   \n",
        stranger.id()
    );
    std::fs::write(folder.path().join("postgres/cluster/postmaster.pid"), stale).unwrap();
    assert!(attach(&folder.path().join("postgres")).unwrap().is_none());
    let server = PrivatePostgres::start(settings(folder.path()))
        .await
        .unwrap();
    assert!(stranger.try_wait().unwrap().is_none(), "the stranger lives");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    server.stop().await;
}

#[tokio::test]
async fn wrong_binaries_are_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let settings = PostgresSettings {
        binaries: Some("/nonexistent".into()),
        ..settings(folder.path())
    };
    let error = PrivatePostgres::start(settings).await.unwrap_err();
    assert!(
        error.to_string().contains("apt-get install postgresql"),
        "{error}"
    );
}

/// Set by the test below for the copy of this program that it kills.
const CHILD_FOLDER: &str = "NETPATCH_TEST_POSTGRES_FOLDER";

#[tokio::test]
async fn a_killed_parent_takes_its_server_along() {
    if let Ok(folder) = std::env::var(CHILD_FOLDER) {
        let server = PrivatePostgres::start(settings(Path::new(&folder)))
            .await
            .unwrap();
        execute(server.connection(), "create table kept as select 1 as x")
            .await
            .unwrap();
        std::fs::write(
            Path::new(&folder).join("pid"),
            server.connection().pid().to_string(),
        )
        .unwrap();
        std::future::pending::<()>().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "postgres::a_killed_parent_takes_its_server_along",
        ])
        .env(CHILD_FOLDER, folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid: i32 = poll_until(
        "the server in the other process",
        Duration::from_secs(60),
        async || {
            std::fs::read_to_string(folder.path().join("pid"))
                .ok()?
                .parse()
                .ok()
        },
    )
    .await;
    let directory = folder.path().join("postgres");
    let attached = attach(&directory).unwrap().unwrap();
    assert_eq!(execute(&attached, "select * from kept").await.unwrap(), 1);
    parent.kill().unwrap();
    parent.wait().unwrap();
    // At once: the old server may still be shutting down.
    let begun = Instant::now();
    let server = PrivatePostgres::start(settings(folder.path()))
        .await
        .unwrap();
    println!(
        "started over a killed parent's server in {:?}",
        begun.elapsed()
    );
    // An orphan's number stays until init has collected it.
    poll_until_blocking("the old server's end", Duration::from_secs(10), || {
        (!alive(pid)).then_some(())
    });
    assert_eq!(
        execute(server.connection(), "select * from kept")
            .await
            .unwrap(),
        1
    );
    server.stop().await;
    poll_until_blocking("no process is left", Duration::from_secs(10), || {
        attach(&directory).unwrap().is_none().then_some(())
    });
}
