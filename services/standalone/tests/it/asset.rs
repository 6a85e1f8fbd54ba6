//! `netpatch asset import` and `netpatch sbom export` against a running platform.

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
        let mut command = netpatch(arguments);
        command.env("NETPATCH_URL", &url);
        command.env("NETPATCH_TOKEN", &token);
        outcome(&command.output().unwrap())
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
    let (code, _, err) = ask(&["sbom", "export", "--host", "nobody"]);
    assert_eq!(code, Some(5), "{err}");
    let (code, _, _) = ask(&["sbom", "export"]);
    assert_eq!(code, Some(2));
}
