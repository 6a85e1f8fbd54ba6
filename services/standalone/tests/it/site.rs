//! `netpatch site` against a running platform.

use crate::api::sign_in;
use crate::program::{Served, netpatch, outcome};
use serde_json::{Value, json};

#[test]
fn a_site_is_limited_and_changed_through_a_running_platform() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let served = Served::start(&data);
    let url = format!("http://{}", served.http);
    let login = data.join("keys/bootstrap-admin");
    let login: Value = serde_json::from_slice(&std::fs::read(login).unwrap()).unwrap();
    let token = sign_in(&url, &login);
    let ask = |arguments: &[&str]| {
        let mut command = netpatch(&["site"]);
        command.args(arguments).args(["-o", "json"]);
        command.env("NETPATCH_URL", &url);
        command.env("NETPATCH_TOKEN", &token);
        let (code, out, err) = outcome(&command.output().unwrap());
        let answer = serde_json::from_str::<Value>(&out).unwrap_or_default();
        (code, answer["sites"][0].clone(), err)
    };
    let graphql = |document: &str, variables: Value| {
        let body = json!({"query": document, "variables": variables});
        let answer = async {
            let http = reqwest::Client::builder().no_proxy().build().unwrap();
            let sent = http.post(format!("{url}/graphql")).bearer_auth(&token);
            let answer = sent.json(&body).send().await.unwrap();
            answer.json::<Value>().await.unwrap()
        };
        tokio::runtime::Runtime::new().unwrap().block_on(answer)
    };
    let (code, none, err) = ask(&["list"]);
    assert_eq!((code, none), (Some(0), Value::Null), "{err}");
    let found = graphql("{ organizations(first: 1) { nodes { id } } }", json!({}));
    let organization = &found["data"]["organizations"]["nodes"][0]["id"];
    let made = graphql(
        "mutation($input: SiteCreateInput!) { siteCreate(input: $input) { site { id } userErrors { message } } }",
        json!({"input": {
            "organizationId": organization, "name": "Harbour", "timeZone": "Europe/Berlin",
            "upstreams": ["http://deb.example/debian"], "idempotencyKey": "one"
        }}),
    );
    let id = made["data"]["siteCreate"]["site"]["id"].as_str();
    let id = id.unwrap_or_else(|| panic!("{made}")).to_owned();

    let rule = "mon-fri 08:00-18:00 2000";
    let (code, site, err) = ask(&["limit", "Harbour", "--kilobits", "8000", "--rule", rule]);
    assert_eq!(code, Some(0), "{err}");
    let days = json!(["MON", "TUE", "WED", "THU", "FRI"]);
    let rules = json!([{"hours": {"days": days, "from": "08:00", "until": "18:00"}, "kilobitsPerSecond": 2000}]);
    assert_eq!(
        site["bandwidth"],
        json!({"kilobitsPerSecond": 8000, "rules": rules})
    );
    let mirror = "http://deb.example/debian=http://mirror.example/debian";
    let change = [
        "set",
        &id,
        "--differences",
        "off",
        "--mirror",
        mirror,
        "--staging",
        "daily 22:00-06:00",
    ];
    let (code, site, err) = ask(&change);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(
        (&site["usesDeltas"], &site["servesProxy"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(
        site["mirrors"][0]["urls"],
        json!(["http://mirror.example/debian"])
    );
    assert_eq!(site["stagingHours"][0]["from"], "22:00");
    assert_eq!(site["bandwidth"]["rules"], rules, "what is not named stays");
    let (code, site, err) = ask(&["limit", "Harbour", "--unlimited"]);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(
        site["bandwidth"],
        json!({"kilobitsPerSecond": null, "rules": []})
    );
    let (_, listed, _) = ask(&["list"]);
    assert_eq!(listed, site);
    let (code, site, _) = ask(&[
        "set",
        "Harbour",
        "--mirror",
        "none",
        "--staging",
        "always",
        "--differences",
        "on",
        "--direct",
        "off",
    ]);
    assert_eq!(
        (code, &site["mirrors"], &site["stagingHours"]),
        (Some(0), &json!([]), &json!([]))
    );
    assert_eq!(
        (&site["usesDeltas"], &site["directAllowed"]),
        (&json!(true), &json!(false))
    );
    let (code, site, err) = ask(&["set", "Harbour", "--direct", "on"]);
    assert_eq!(
        (code, &site["directAllowed"]),
        (Some(0), &json!(true)),
        "{err}"
    );

    for (arguments, expected, words) in [
        (
            &["limit", "Nowhere", "--unlimited"][..],
            5,
            "no site Nowhere",
        ),
        (&["limit", "Harbour", "--kilobits", "1"], 1, "64"),
        (
            &["limit", "Harbour", "--rule", "always 5"],
            1,
            "mon-fri 08:00-18:00 2000",
        ),
        (
            &["limit", "Harbour", "--rule", "mon 25:00-26:00 500"],
            1,
            "08:30",
        ),
        (&["limit", "Harbour"], 2, "Usage"),
        (&["set", "Harbour"], 2, "Usage"),
        (
            &[
                "set",
                "Harbour",
                "--mirror",
                "http://other.example=http://a.example",
            ],
            1,
            "not one of the site's repositories",
        ),
    ] {
        let (code, site, err) = ask(arguments);
        assert_eq!(
            (code, site),
            (Some(expected), Value::Null),
            "{arguments:?}: {err}"
        );
        assert!(err.contains(words), "{arguments:?}: {err}");
    }
}
