//! `netpatch asset import`, `netpatch sbom export` and `import` against a running platform.

use crate::api::sign_in;
use crate::program::{Served, netpatch, outcome};
use serde_json::Value;

#[test]
fn a_file_is_imported_through_a_running_platform_and_a_bill_of_materials_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let served = Served::start(&data);
    let url = format!("http://{}", served.http);
    let login = data.join("keys/bootstrap-admin");
    let login: Value = serde_json::from_slice(&std::fs::read(login).unwrap()).unwrap();
    let token = sign_in(&url, &login);
    let ask = |arguments: &[&str]| {
        for _ in 0..120 {
            let mut command = netpatch(arguments);
            command.env("NETPATCH_URL", &url);
            command.env("NETPATCH_TOKEN", &token);
            let outcome = outcome(&command.output().unwrap());
            if !outcome.2.contains("the bucket of points is empty") {
                return outcome;
            }
            // Uploads are paid for; the bucket fills with time.
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
        panic!("{arguments:?}: the bucket of points stays empty");
    };
    let file = folder.path().join("assets.csv");
    let path = file.to_str().unwrap();
    std::fs::write(
        &file,
        "Rechner;criticality;eol;Preis\nweb-1;high;2030-01-01;9\nweb-2;urgent;soon;9\n",
    )
    .unwrap();
    let import = ["asset", "import", path, "--map", "Rechner=hostname"];
    let (code, out, err) = ask(&[&import[..], &["--dry-run"]].concat());
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains("2 errors"), "{err}");
    let (code, out, err) = ask(&import);
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(
        err.contains("line 3, column criticality: \"urgent\" is no criticality; write critical"),
        "{err}"
    );
    assert!(
        err.contains("line 3, column eol:") && err.contains("2 errors, nothing was written"),
        "{err}"
    );
    std::fs::write(
        &file,
        "Rechner;criticality;eol;Preis\nweb-1;high;2030-01-01;9\nweb-2;low;;9\n",
    )
    .unwrap();
    let (code, out, err) = ask(&[&import[..], &["--dry-run"]].concat());
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "would write: 2 new, 0 changed, 0 unchanged\n"),
        "{err}"
    );
    assert!(err.contains("Preis"), "{err}");
    let (code, out, err) = ask(&import);
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "wrote: 2 new, 0 changed, 0 unchanged\n"),
        "{err}"
    );
    let (code, out, _) = ask(&[&import[..], &["-o", "json"]].concat());
    let again: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, again["unchanged"].as_u64()), (Some(0), Some(2)));
    let (code, _, err) = ask(&["asset", "import", path, "--organization", "nobody"]);
    assert_eq!(code, Some(5), "{err}");
    let (code, _, err) = ask(&["asset", "import", "/nowhere.csv"]);
    assert_eq!(code, Some(1), "{err}");

    let bill = folder.path().join("fleet.cdx.json");
    let (code, out, err) = ask(&[
        "sbom",
        "export",
        "--fleet",
        "--file",
        bill.to_str().unwrap(),
    ]);
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "", ""));
    let document: Value = serde_json::from_slice(&std::fs::read(&bill).unwrap()).unwrap();
    assert_eq!(
        (&document["bomFormat"], &document["specVersion"]),
        (&"CycloneDX".into(), &"1.6".into())
    );
    make_site(&url, &token);
    a_bill_of_materials_goes_in_and_comes_out_the_same(&ask, folder.path());
    let (code, _, err) = ask(&["sbom", "export", "--host", "nobody"]);
    assert_eq!(code, Some(5), "{err}");
    let (code, _, _) = ask(&["sbom", "export"]);
    assert_eq!(code, Some(2));
}

fn make_site(url: &str, token: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let ask = async |query: &str, variables: Value| -> Value {
            let body = serde_json::json!({"query": query, "variables": variables});
            let request = http.post(format!("{url}/graphql")).bearer_auth(token);
            let answer = request.json(&body).send().await.unwrap();
            answer.json().await.unwrap()
        };
        let all = ask("{ organizations(first: 2) { nodes { id } } }", Value::Null).await;
        let id = &all["data"]["organizations"]["nodes"][0]["id"];
        let made = ask(
            "mutation($input: SiteCreateInput!) { siteCreate(input: $input) { site { id } userErrors { message } } }",
            serde_json::json!({"input": {"organizationId": id, "name": "Main", "timeZone": "UTC", "idempotencyKey": "site"}}),
        )
        .await;
        assert!(made["data"]["siteCreate"]["site"]["id"].is_string(), "{made}");
    });
}

/// A document of a machine without an agent; what the platform writes of it says the same when it is taken in again.
fn a_bill_of_materials_goes_in_and_comes_out_the_same(
    ask: &impl Fn(&[&str]) -> (Option<i32>, String, String),
    folder: &std::path::Path,
) {
    let component =
        |name: &str, purl: &str| serde_json::json!({"type": "library", "name": name, "purl": purl});
    let document = serde_json::json!({"bomFormat": "CycloneDX", "specVersion": "1.4",
        "metadata": {"component": {"type": "device", "name": "old-printer-server"}},
        "components": [
            {"type": "operating-system", "name": "debian", "version": "12"},
            component("libc6", "pkg:deb/debian/libc6@2.36-9%2Bb1?arch=amd64&distro=debian-12&upstream=glibc"),
            component("Jinja2", "pkg:pypi/jinja2@3.1.2"),
            component("toml", "pkg:golang/github.com/BurntSushi/toml@v1.2.0"),
            {"type": "file", "name": "/etc/motd"}]});
    let file = folder.join("given.cdx.json");
    std::fs::write(&file, document.to_string()).unwrap();
    let given = file.to_str().unwrap();
    let (code, out, err) = ask(&["sbom", "import", given, "--dry-run"]);
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "would take: 3 components of a new host\n"),
        "{err}"
    );
    let (code, out, err) = ask(&["sbom", "import", given]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with("took: 3 components of a new host"), "{out}");
    assert!(
        err.contains("1 passed over, no package URL: /etc/motd"),
        "{err}"
    );
    let file = folder.join("own.cdx.json");
    let own = file.to_str().unwrap();
    let (code, _, err) = ask(&[
        "sbom",
        "export",
        "--host",
        "old-printer-server",
        "--file",
        own,
    ]);
    assert_eq!(code, Some(0), "{err}");
    for named in [&[][..], &["--host", "old-printer-server"]] {
        let (code, out, err) = ask(&[&["sbom", "import", own], named].concat());
        assert_eq!(
            (code, out.as_str(), err.as_str()),
            (Some(0), "unchanged: 3 components of the host\n", "")
        );
    }
    let (code, out, err) = ask(&["sbom", "import", given, "--host", "nobody"]);
    assert_eq!((code, out.as_str()), (Some(5), ""), "{err}");
    std::fs::write(
        &file,
        "{\"bomFormat\": \"CycloneDX\", \"specVersion\": \"1.3\"}",
    )
    .unwrap();
    let (code, out, err) = ask(&["sbom", "import", own]);
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains("1.4, 1.5, 1.6"), "{err}");
}
