//! Files that are sent in.

use crate::world::{Answer, World};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use netpatch_auth::{Role, Site, SiteCreate};
use netpatch_types::{OrganizationId, Permission};
use serde_json::json;

const FILE: &str = "hostname,site\nweb,Main\n";

async fn send(
    world: &World,
    token: &str,
    query: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut request = Request::post(format!("/import/assets?{query}"));
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world
        .send(request.body(Body::from(body.to_vec())).unwrap())
        .await
}

fn of(world: &World, organization: OrganizationId) -> String {
    format!("organizationId={}", world.id(organization))
}

/// A site, and the token of a program that may write assets.
async fn site_and_program(world: &World) -> (Site, String) {
    let create = SiteCreate {
        name: "Main".into(),
        time_zone: "UTC".into(),
        direct_allowed: true,
        upstreams: Vec::new(),
    };
    let site = world
        .auth
        .site_create(&world.system(world.own), create)
        .await
        .unwrap();
    let token = world
        .program(world.own, &[Permission::Read, Permission::AssetWrite])
        .await;
    (site, token)
}

const CSV: (&str, &str) = ("content-type", "text/csv; charset=utf-8");

#[tokio::test]
async fn a_file_of_assets_goes_to_inventory_once_with_its_sites_and_mapping() {
    let world = World::new().await;
    let (site, token) = site_and_program(&world).await;
    let query = format!("{}&map=Name:hostname&map=a:b:", of(&world, world.own));
    let headers = [CSV, ("idempotency-key", "k1")];
    let answer = send(&world, &token, &query, &headers, FILE.as_bytes()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(
        (&answer.json()["created"], &answer.json()["isWritten"]),
        (&json!(1), &json!(true))
    );
    let imports = || {
        world
            .script
            .calls()
            .into_iter()
            .filter(|call| call.method == "asset_file_import")
            .collect::<Vec<_>>()
    };
    let call = &imports()[0];
    assert_eq!(call.body["text"], FILE);
    assert_eq!(call.body["mapping"], json!({"Name": "hostname", "a:b": ""}));
    assert_eq!(call.body["sites"]["main"], json!(site.id));
    let again = send(&world, &token, &query, &headers, FILE.as_bytes()).await;
    assert_eq!((again.status, imports().len()), (StatusCode::OK, 1), "once");
    let other = send(&world, &token, &query, &headers, b"hostname\nx\n").await;
    assert_eq!(other.code(), "IDEMPOTENCY_MISMATCH");
    let dry = format!("{query}&dryRun=true");
    let answer = send(&world, &token, &dry, &[CSV], FILE.as_bytes()).await;
    assert_eq!(answer.json()["isDryRun"], json!(true), "{}", answer.text);
}

#[tokio::test]
async fn line_errors_are_shown_and_free_the_key() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::PatchAdmin).await;
    world.script.answer_with(|method, body| {
        let is_bad = body["text"].as_str().is_some_and(|text| text.contains("bad"));
        (method == "asset_file_import" && is_bad).then(|| {
            Ok(json!({"created": 0, "changed": 0, "unchanged": 0, "ambiguous": 0, "ignored_columns": [], "error_count": 1,
                "errors": [{"line": 2, "column": "eol", "message": "is no day", "remedy": "write it as 2027-01-31"}]}))
        })
    });
    let headers = [CSV, ("idempotency-key", "k")];
    let query = of(&world, world.own);
    let refused = send(&world, &token, &query, &headers, b"hostname\nbad\n").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        refused.json()["errors"][0],
        json!({"line": 2, "column": "eol", "message": "is no day", "remedy": "write it as 2027-01-31"})
    );
    let dry = format!("{query}&dryRun=true");
    let asked = send(&world, &token, &dry, &headers, b"hostname\nbad\n").await;
    assert_eq!(
        (asked.status, &asked.json()["errorCount"]),
        (StatusCode::OK, &json!(1))
    );
    let mended = send(&world, &token, &query, &headers, b"hostname\ngood\n").await;
    assert_eq!(mended.status, StatusCode::OK, "{}", mended.text);
}

#[tokio::test]
async fn who_may_not_or_sends_something_else_is_refused_before_inventory_hears_of_it() {
    let world = World::new().await;
    let owner = world.bearer(world.own, Role::Owner).await;
    let auditor = world.bearer(world.own, Role::Auditor).await;
    let (own, foreign) = (of(&world, world.own), of(&world, world.foreign));
    let headers = [CSV, ("idempotency-key", "k")];
    let json = [
        ("content-type", "application/json"),
        ("idempotency-key", "k"),
    ];
    let big = vec![b'x'; 8 * 1024 * 1024 + 1];
    world.script.forget();
    for (token, query, headers, body, status) in [
        (
            "",
            own.as_str(),
            &headers[..],
            FILE.as_bytes(),
            StatusCode::UNAUTHORIZED,
        ),
        (
            auditor.as_str(),
            &own,
            &headers,
            FILE.as_bytes(),
            StatusCode::FORBIDDEN,
        ),
        (
            &owner,
            &foreign,
            &headers,
            FILE.as_bytes(),
            StatusCode::NOT_FOUND,
        ),
        (
            &owner,
            "organizationId=nonsense",
            &headers,
            FILE.as_bytes(),
            StatusCode::NOT_FOUND,
        ),
        (
            &owner,
            "",
            &headers,
            FILE.as_bytes(),
            StatusCode::BAD_REQUEST,
        ),
        (
            &owner,
            &own,
            &headers[..1],
            FILE.as_bytes(),
            StatusCode::BAD_REQUEST,
        ),
        (
            &owner,
            &own,
            &json,
            FILE.as_bytes(),
            StatusCode::BAD_REQUEST,
        ),
        (
            &owner,
            &own,
            &headers,
            b"hostname\n\xff\n",
            StatusCode::BAD_REQUEST,
        ),
        (&owner, &own, &headers, &big, StatusCode::PAYLOAD_TOO_LARGE),
        (
            &owner,
            &format!("{own}&dryrun=true"),
            &headers,
            FILE.as_bytes(),
            StatusCode::BAD_REQUEST,
        ),
        (
            &owner,
            &format!("{own}&dryRun=1"),
            &headers,
            FILE.as_bytes(),
            StatusCode::BAD_REQUEST,
        ),
        (
            &owner,
            &format!("{own}&map=x"),
            &headers,
            FILE.as_bytes(),
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let answer = send(&world, token, query, headers, body).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text);
    }
    let heard: Vec<_> = world.script.calls();
    assert!(heard.is_empty(), "{heard:?}");
    let answer = send(&world, &owner, &own, &headers, b"hostname\nok\n\xffx\n").await;
    assert!(answer.text.contains("line 3"), "{}", answer.text);
}

/// What GLPI agent 1.12 sent from a Debian 12 machine with a serial number, cut to one program.
fn inventory() -> serde_json::Value {
    json!({"action": "inventory", "deviceid": "vm-2026-11-29-21-23-11", "itemtype": "Computer", "content": {
        "bios": {"bmanufacturer": "Dell Inc.", "smanufacturer": "Dell Inc.", "smodel": "XPS 13 9350", "ssn": "640HP72"},
        "hardware": {"name": "vm", "memory": 24105, "chassis_type": "Laptop", "uuid": "4c4c4544-0034-3010-8048-b6c04f503732"},
        "operatingsystem": {"arch": "x86_64", "full_name": "Debian GNU/Linux 12 (bookworm)", "name": "Debian GNU/Linux", "version": "12.11"},
        "softwares": [{"arch": "all", "filesize": 702_464, "from": "deb", "name": "adduser", "publisher": "Debian", "version": "3.134"}],
        "versionclient": "GLPI-Agent_v1.12-dev"}})
}

#[tokio::test]
async fn a_glpi_agent_is_answered_and_its_inventory_becomes_an_asset() {
    let world = World::new().await;
    let create = netpatch_auth::ApiClientCreate {
        name: "glpi".into(),
        permissions: [Permission::Read, Permission::AssetWrite].into(),
    };
    let created = world
        .auth
        .api_client_create(&world.system(world.own), create)
        .await
        .unwrap();
    let pair = format!("{}:{}", created.client.id.public(world.own), created.secret);
    let basic = format!(
        "Basic {}",
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pair)
    );
    let send = async |authorization: &str, body: Vec<u8>| {
        // Uploads are paid for; the bucket fills with time.
        world.clock.advance(std::time::Duration::from_secs(3));
        let mut request = Request::post("/import/glpi");
        if !authorization.is_empty() {
            request = request.header("authorization", authorization);
        }
        world.send(request.body(Body::from(body)).unwrap()).await
    };
    let contact = json!({"action": "contact", "deviceid": "vm-1", "name": "GLPI-Agent", "version": "1.12-dev"});
    let unknown = send("", contact.to_string().into()).await;
    assert_eq!(unknown.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        unknown.header("www-authenticate"),
        "Basic realm=\"netpatch\""
    );
    world.script.forget();
    let answer = send(&basic, contact.to_string().into()).await;
    assert_eq!(answer.json(), json!({"status": "ok", "expiration": 24}));
    assert!(world.script.calls().is_empty());
    let answer = send(&basic, inventory().to_string().into()).await;
    assert_eq!(answer.json()["status"], "ok", "{}", answer.text);
    let calls = world.script.calls();
    let write = &calls[0].body["machine"];
    assert_eq!(calls[0].method, "software_import");
    assert_eq!(
        calls[0].body["document"],
        json!({"glpi": {"os_name": "Debian GNU/Linux", "os_full_name": "Debian GNU/Linux 12 (bookworm)", "os_version": "12.11",
            "os_arch": "x86_64", "programs": [{"name": "adduser", "version": "3.134", "arch": "all", "from": "deb"}]}})
    );
    assert_eq!(
        (
            &answer.json()["software"]["components"],
            &answer.json()["software"]["skippedCount"]
        ),
        (&json!(2), &json!(1))
    );
    for (field, value) in [
        ("hostname", "vm"),
        ("serial", "640HP72"),
        ("vendor", "Dell Inc."),
        ("model", "XPS 13 9350"),
    ] {
        assert_eq!(write[field], json!({"set": value}), "{field}");
    }
    assert_eq!(
        (&write["owner"], &write["tags"]),
        (&json!("keep"), &json!("keep"))
    );
    let mut partial = inventory();
    partial["content"] = json!({"hardware": {"name": "vm"}});
    send(&basic, partial.to_string().into()).await;
    let call = &world.script.calls()[1];
    assert_eq!(
        (call.method.as_str(), &call.body["write"]["serial"]),
        ("asset_upsert", &json!("keep")),
        "what is not said stays"
    );
    world.script.forget();
    let mut printer = inventory();
    printer["itemtype"] = json!("Printer");
    let wrong_type = json!({"action": "inventory", "content": {"bios": {"ssn": 7}}});
    let wrong_list = json!({"action": "inventory", "content": {"softwares": {"name": "curl"}}});
    let endless = format!(
        "{{\"action\": \"inventory\", \"content\": {{\"softwares\": [{}{{}}]}}}}",
        "{},".repeat(100_000)
    );
    for (body, status) in [
        (printer.to_string().into_bytes(), StatusCode::BAD_REQUEST),
        (wrong_type.to_string().into_bytes(), StatusCode::BAD_REQUEST),
        (wrong_list.to_string().into_bytes(), StatusCode::BAD_REQUEST),
        (endless.into_bytes(), StatusCode::BAD_REQUEST),
        (
            b"<?xml version=\"1.0\"?><REQUEST/>".to_vec(),
            StatusCode::BAD_REQUEST,
        ),
        (vec![0x78, 0x9c, 1, 2, 3], StatusCode::BAD_REQUEST),
        (
            b"{\"action\": \"netdiscovery\"}".to_vec(),
            StatusCode::BAD_REQUEST,
        ),
        ([b"[".repeat(100_000)].concat(), StatusCode::BAD_REQUEST),
        (
            vec![b' '; 4 * 1024 * 1024 + 1],
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    ] {
        let answer = send(&basic, body).await;
        assert_eq!(
            (answer.status, &answer.json()["status"]),
            (status, &json!("error")),
            "{}",
            answer.text
        );
    }
    for wrong in ["Basic !", "Basic YTpi", &format!("{basic}x")] {
        assert_eq!(
            send(wrong, contact.to_string().into()).await.status,
            StatusCode::UNAUTHORIZED,
            "{wrong}"
        );
    }
    let auditor = format!("Bearer {}", world.bearer(world.own, Role::Auditor).await);
    assert_eq!(
        send(&auditor, inventory().to_string().into()).await.status,
        StatusCode::FORBIDDEN
    );
    assert!(world.script.calls().is_empty());
}

#[tokio::test]
async fn a_bill_of_materials_goes_to_inventory_for_the_machine_that_is_named() {
    let world = World::new().await;
    let (site, token) = site_and_program(&world).await;
    let post = async |query: &str, token: &str, media: &str, body: &[u8]| {
        // Uploads are paid for; the bucket fills with time.
        world.clock.advance(std::time::Duration::from_secs(3));
        let mut request =
            Request::post(format!("/import/cyclonedx?{query}")).header("content-type", media);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        world
            .send(request.body(Body::from(body.to_vec())).unwrap())
            .await
    };
    const BOM: &str = "application/vnd.cyclonedx+json; version=1.6";
    let own = of(&world, world.own);
    world.script.forget();
    let answer = post(&format!("{own}&hostname=web1"), &token, BOM, b"{}").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let said = answer.json();
    assert!(
        said["hostId"].as_str().unwrap().starts_with("host_"),
        "{said}"
    );
    assert_eq!(
        said["skipped"],
        json!([{"reason": "no package URL", "count": 1, "examples": ["odd"]}])
    );
    assert_eq!(
        (&said["findingsOpened"], &said["left"]),
        (&json!(1), &json!(null))
    );
    let call = &world.script.calls()[0];
    assert_eq!(call.body["document"], json!({"cyclonedx": "{}"}));
    assert_eq!(call.body["machine"]["hostname"], json!({"set": "web1"}));
    assert_eq!(
        (&call.body["site"], &call.body["host"]),
        (&json!(site.id), &json!(null))
    );
    let host = netpatch_types::HostId(uuid::Uuid::from_u128(9));
    let named = format!("hostId={}&dryRun=true", host.public(world.own));
    assert_eq!(
        post(&named, &token, "application/json", b"{}").await.status,
        StatusCode::OK
    );
    let call = &world.script.calls()[1];
    assert_eq!(
        (&call.body["host"], &call.body["dry_run"]),
        (&json!(host), &json!(true))
    );
    world.script.forget();
    let auditor = world.bearer(world.own, Role::Auditor).await;
    let foreign_host = format!("hostId={}", host.public(world.foreign));
    let foreign_site = format!("{own}&siteId={}", site.id.public(world.foreign));
    let (foreign, unknown) = (of(&world, world.foreign), format!("{own}&serial=1"));
    let big = vec![b' '; netpatch_inventory_api::MAX_DOCUMENT_BYTES + 1];
    for (query, token, media, body, status) in [
        (own.as_str(), "", BOM, &b"{}"[..], StatusCode::UNAUTHORIZED),
        (&own, &auditor, BOM, b"{}", StatusCode::FORBIDDEN),
        (&foreign, &token, BOM, b"{}", StatusCode::NOT_FOUND),
        (&foreign_host, &token, BOM, b"{}", StatusCode::NOT_FOUND),
        (&foreign_site, &token, BOM, b"{}", StatusCode::NOT_FOUND),
        ("hostId=host_1", &token, BOM, b"{}", StatusCode::NOT_FOUND),
        ("", &token, BOM, b"{}", StatusCode::BAD_REQUEST),
        (&unknown, &token, BOM, b"{}", StatusCode::BAD_REQUEST),
        (
            &own,
            &token,
            "application/xml",
            b"<bom/>",
            StatusCode::BAD_REQUEST,
        ),
        (
            &own,
            &token,
            BOM,
            b"{\"a\": \"\xff\"}",
            StatusCode::BAD_REQUEST,
        ),
        (&own, &token, BOM, &big, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let answer = post(query, token, media, body).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text);
    }
    assert!(world.script.calls().is_empty());
}
