//! Whose rows a transaction sees and changes.

use crate::sample;
use netpatch_storage::roles::connect_one;
use netpatch_storage::{Database, PoolSettings, StorageError, StorageResult, TenantTx};
use netpatch_testkit::{ManualClock, TestDatabase, plan, test_context};
use netpatch_types::{Clock as _, ErrorCode, RequestContext, ServiceError};
use sea_orm::{ConnectionTrait as _, FromQueryResult};
use std::time::Duration;
use uuid::Uuid;

#[derive(Debug, FromQueryResult)]
struct Host {
    name: String,
}

async fn add(tx: &TenantTx, name: &str) -> StorageResult<Uuid> {
    let id = Uuid::now_v7();
    let tenant = tx.tenant()?;
    tx.execute(
        "insert into sample.hosts values ($1, $2, $3)",
        [tenant.0.into(), id.into(), name.into()],
    )
    .await?;
    Ok(id)
}

async fn names(tx: &TenantTx) -> StorageResult<Vec<String>> {
    let hosts: Vec<Host> = tx
        .all("select name from sample.hosts order by name", [])
        .await?;
    Ok(hosts.into_iter().map(|host| host.name).collect())
}

async fn two_tenants() -> (TestDatabase, RequestContext, RequestContext) {
    let test = TestDatabase::new(&[sample::migrations()]).await;
    let now = ManualClock::shared().now();
    let (one, two) = (test_context(now), test_context(now));
    for (context, name) in [(&one, "alpha"), (&two, "beta")] {
        let tx = test.database().write(context).await.unwrap();
        add(&tx, name).await.unwrap();
        tx.commit().await.unwrap();
    }
    (test, one, two)
}

#[tokio::test]
async fn a_tenant_sees_its_own_rows_and_a_partner_several() {
    let (test, one, two) = two_tenants().await;
    let db = test.database();
    assert_eq!(
        names(&db.read(&one).await.unwrap()).await.unwrap(),
        ["alpha"]
    );
    assert_eq!(
        names(&db.read(&two).await.unwrap()).await.unwrap(),
        ["beta"]
    );
    let partner = RequestContext {
        read: vec![one.read[0], two.read[0]],
        write: None,
        ..one.clone()
    };
    assert_eq!(
        names(&db.read(&partner).await.unwrap()).await.unwrap(),
        ["alpha", "beta"]
    );
    let nobody = RequestContext {
        read: vec![],
        write: None,
        ..one.clone()
    };
    assert!(
        names(&db.read(&nobody).await.unwrap())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_write_touches_exactly_one_tenant() {
    let (test, one, two) = two_tenants().await;
    let db = test.database();
    let both = RequestContext {
        read: vec![one.read[0], two.read[0]],
        ..one.clone()
    };
    let tx = db.write(&both).await.unwrap();
    assert_eq!(names(&tx).await.unwrap(), ["alpha", "beta"]);
    assert_eq!(
        tx.execute("update sample.hosts set name = name || '!'", [])
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        tx.execute("delete from sample.hosts where name = 'beta'", [])
            .await
            .unwrap(),
        0
    );
    tx.commit().await.unwrap();
    let tx = db.write(&both).await.unwrap();
    let other: Uuid = two.read[0].into();
    let foreign = tx
        .execute(
            "insert into sample.hosts values ($1, $2, 'gamma')",
            [other.into(), Uuid::now_v7().into()],
        )
        .await;
    assert!(
        matches!(foreign, Err(StorageError::Query(_))),
        "{foreign:?}"
    );
    drop(tx);
    let tx = db.write(&both).await.unwrap();
    let moved = tx
        .execute("update sample.hosts set tenant_id = $1", [other.into()])
        .await;
    assert!(matches!(moved, Err(StorageError::Query(_))), "{moved:?}");
    let partner = RequestContext {
        write: None,
        ..both
    };
    assert!(matches!(
        db.write(&partner).await,
        Err(StorageError::NoTenant)
    ));
}

#[tokio::test]
async fn a_read_cannot_write() {
    let (test, one, _) = two_tenants().await;
    let tx = test.database().read(&one).await.unwrap();
    assert!(matches!(tx.tenant(), Err(StorageError::NoTenant)));
    assert!(
        tx.execute("update sample.hosts set name = 'x'", [])
            .await
            .is_err()
    );
}

#[tokio::test]
async fn without_a_tenant_it_raises_on_fresh_and_on_used_connections() {
    let (test, one, _) = two_tenants().await;
    // A plain connection of the app role, as nobody can have through the crate.
    let plain = connect_one(&test.urls().app).await.unwrap();
    let fresh = plain.execute_unprepared("select * from sample.hosts").await;
    assert!(
        fresh
            .unwrap_err()
            .to_string()
            .contains("unrecognized configuration parameter")
    );
    plain
        .execute_unprepared("begin; select set_config('app.tenants', '{}', true), set_config('app.tenant', '', true); commit")
        .await
        .unwrap();
    let leftover = plain.execute_unprepared("select * from sample.hosts").await;
    assert!(
        leftover
            .unwrap_err()
            .to_string()
            .contains("malformed array literal")
    );
    let leftover = plain
        .execute_unprepared("update sample.hosts set name = 'x'")
        .await;
    assert!(leftover.is_err());
    plain.close().await.unwrap();

    // The same query twice on one pooled connection, and once between them without a tenant.
    let settings = PoolSettings {
        app_connections: 1,
        ..PoolSettings::default()
    };
    let db = Database::connect(test.urls(), &settings).await.unwrap();
    for _ in 0..2 {
        assert_eq!(
            names(&db.read(&one).await.unwrap()).await.unwrap(),
            ["alpha"]
        );
        let tx = db.directory_tx().await.unwrap();
        let error = tx
            .value::<String>("select name from sample.hosts", [])
            .await
            .unwrap_err();
        assert!(matches!(error, StorageError::Query(_)), "{error:?}");
    }
}

#[tokio::test]
async fn the_other_roles_do_only_their_work() {
    let (test, one, _) = two_tenants().await;
    let db = test.database();
    let tx = db.catalog_tx().await.unwrap();
    tx.execute("insert into sample.advisories values ('DSA-1')", [])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(
        db.catalog_tx()
            .await
            .unwrap()
            .execute("select * from sample.hosts", [])
            .await
            .is_err()
    );
    assert!(
        db.write(&one)
            .await
            .unwrap()
            .execute("delete from sample.advisories", [])
            .await
            .is_err()
    );
    let tx = db.worker_tx().await.unwrap();
    assert_eq!(
        tx.value::<i64>("select count(*) from sample.hosts", [])
            .await
            .unwrap(),
        Some(2)
    );
    assert!(tx.execute("delete from sample.hosts", []).await.is_err());

    let tx = db.write(&one).await.unwrap();
    tx.one::<Host>(
        "select 'x' as name from sample.key_put($1)",
        [vec![7u8].into()],
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let tx = db.directory_tx().await.unwrap();
    let tenant: Option<Uuid> = tx
        .value("select * from sample.key_tenant($1)", [vec![7u8].into()])
        .await
        .unwrap();
    assert_eq!(tenant, Some(one.read[0].into()));
    assert_eq!(
        tx.value::<Uuid>("select * from sample.key_tenant($1)", [vec![8u8].into()])
            .await
            .unwrap(),
        None
    );
    assert!(tx.execute("select * from sample.keys", []).await.is_err());
}

#[tokio::test]
async fn errors_are_classes_without_internal_text() {
    let (test, one, _) = two_tenants().await;
    let tx = test.database().write(&one).await.unwrap();
    let error = add(&tx, "alpha").await.unwrap_err();
    assert_eq!(error.duplicate(), Some("hosts_name"));
    let shown = ServiceError::from(error);
    assert_eq!(shown.code, ErrorCode::Conflict);
    assert!(!format!("{shown:?}").contains("hosts_name"));

    let tx = test.database().write(&one).await.unwrap();
    let id = Uuid::now_v7();
    let tenant = one.read[0].0;
    let error = tx
        .execute(
            "insert into sample.notes values ($1, $2, $2)",
            [tenant.into(), id.into()],
        )
        .await
        .unwrap_err();
    assert!(matches!(error, StorageError::Reference { .. }), "{error:?}");

    let gone = Database::connect(
        &netpatch_storage::DatabaseUrls {
            app: "postgres://u:p@%2Fnonexistent/db".into(),
            ..test.urls().clone()
        },
        &PoolSettings {
            acquire_timeout: Duration::from_millis(200),
            ..PoolSettings::default()
        },
    )
    .await
    .unwrap_err();
    assert!(matches!(gone, StorageError::Unavailable(_)), "{gone:?}");
    assert_eq!(
        ServiceError::from(gone).code,
        ErrorCode::UpstreamUnavailable
    );
}

#[tokio::test]
async fn a_severed_connection_is_unavailable_and_the_pool_recovers() {
    let (test, one, _) = two_tenants().await;
    let tx = test.database().read(&one).await.unwrap();
    let admin = connect_one(test.admin_url()).await.unwrap();
    let kill = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'netpatch_app' and datname = current_database()";
    admin.execute_unprepared(kill).await.unwrap();
    let error = names(&tx).await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
    drop(tx);
    let recovered =
        netpatch_testkit::poll_until("a new connection", Duration::from_secs(10), async || {
            let tx = test.database().read(&one).await.ok()?;
            names(&tx).await.ok()
        });
    assert_eq!(recovered.await, ["alpha"]);
    admin.close().await.unwrap();
}

#[tokio::test]
async fn a_deadlock_is_repeated() {
    let (test, one, _) = two_tenants().await;
    let tx = test.database().write(&one).await.unwrap();
    add(&tx, "zeta").await.unwrap();
    tx.commit().await.unwrap();
    let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(2));
    let tasks = [("alpha", "zeta"), ("zeta", "alpha")].map(|(first, second)| {
        let (db, one, barrier) = (test.database().clone(), one.clone(), barrier.clone());
        tokio::spawn(async move {
            let attempts = std::sync::atomic::AtomicU32::new(0);
            let (counter, barrier) = (&attempts, &*barrier);
            let outcome = db
                .write_repeating(&one, |tx| async move {
                    let lock = "select name from sample.hosts where name = $1 for update";
                    tx.one::<Host>(lock, [first.into()]).await?;
                    if counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
                        barrier.wait().await;
                    }
                    tx.one::<Host>(lock, [second.into()]).await?;
                    tx.commit().await
                })
                .await;
            outcome.map(|()| attempts.into_inner())
        })
    });
    let mut attempts = 0;
    for task in tasks {
        attempts += task.await.unwrap().unwrap();
    }
    assert!(
        attempts >= 3,
        "one of the two must have been repeated, {attempts} attempts"
    );
}

#[tokio::test]
async fn the_policies_let_keys_serve() {
    let (test, one, _) = two_tenants().await;
    let tx = test.database().read(&one).await.unwrap();
    let by_key = plan(&tx, "select * from sample.hosts where name = 'alpha'")
        .await
        .unwrap();
    assert!(
        by_key.contains("Index") && !by_key.contains("Seq Scan"),
        "{by_key}"
    );
    assert!(by_key.contains("tenant_id = ANY"), "{by_key}");
    let worker = test.database().worker_tx().await.unwrap();
    let page = "select * from sample.outbox where (xid, id) > ('5'::xid8, 1) and xid < '9'::xid8 order by xid, id limit 5";
    let page = plan(&worker, page).await.unwrap();
    assert!(
        page.contains("outbox_order_worker") && !page.contains("Sort"),
        "{page}"
    );
}
