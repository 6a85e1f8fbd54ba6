use super::*;
use serde_json::{Value, json};

fn document(more: Value) -> String {
    let mut document = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1});
    for (key, value) in more.as_object().expect("an object") {
        document[key] = value.clone();
    }
    document.to_string()
}

fn taken(more: Value) -> Document {
    read(&document(more)).expect("read")
}

fn names(document: &Document) -> Vec<String> {
    let mut names: Vec<String> = document
        .components
        .iter()
        .map(|key| format!("{} {}", key.name, key.version))
        .collect();
    names.sort();
    names
}

fn refusal(text: &str) -> String {
    read(text).expect_err("refused").to_string()
}

#[test]
fn nested_components_count_and_what_has_no_package_url_is_told() {
    let read = taken(json!({
        "metadata": {"component": {"type": "application", "name": "shop", "version": "1", "purl": "pkg:npm/shop@1"}, "tools": []},
        "components": [
            {"type": "library", "name": "core", "group": "@angular", "purl": "pkg:npm/%40angular/core@17.0.0", "components": [
                {"type": "library", "name": "rxjs", "purl": "pkg:npm/rxjs@7", "components": [
                    {"name": "tslib", "purl": "pkg:npm/tslib@2"}]},
                {"type": "file", "name": "/etc/passwd"}]},
            {"type": "library", "name": "rxjs", "purl": "pkg:npm/rxjs@7"},
            {"type": "library", "name": "jest", "purl": "pkg:npm/jest@29", "scope": "excluded"},
            {"type": "library", "name": "odd", "purl": null, "version": null, "properties": null, "components": null}],
        "dependencies": [{"ref": "a", "dependsOn": ["b"]}], "vulnerabilities": [{"id": 7}]}));
    assert_eq!(
        names(&read),
        ["@angular/core 17.0.0", "rxjs 7", "shop 1", "tslib 2"]
    );
    assert_eq!(read.told.duplicates, 1);
    let skipped: Vec<_> = read
        .told
        .into_skipped()
        .into_iter()
        .map(|one| (one.reason, one.count, one.examples))
        .collect();
    assert_eq!(
        skipped,
        [
            (
                SoftwareSkip::NoPurl,
                2,
                vec!["/etc/passwd".to_owned(), "odd".to_owned()]
            ),
            (SoftwareSkip::Excluded, 1, vec!["jest".to_owned()]),
        ]
    );
    assert_eq!(
        read.machine,
        AssetWrite::default(),
        "an application is no machine"
    );
}

#[test]
fn the_machine_and_its_operating_system_are_read() {
    let read = taken(json!({
        "components": [
            {"type": "operating-system", "name": "debian", "version": "12.4", "description": "Debian GNU/Linux 12"},
            {"type": "library", "name": "curl", "purl": "pkg:deb/debian/curl@7.88.1-10?arch=amd64"}],
        "metadata": {"component": {"type": "device", "name": "web1", "manufacturer": {"name": "Acme", "url": []}, "properties": [
            {"name": "netpatch:serial", "value": "S-1"}, {"name": "netpatch:model", "value": "M"}, {"name": "netpatch:arch", "value": "amd64"},
            {"name": "other"}, {}]}}}));
    let set = |text: &str| Change::Set(text.to_owned());
    assert_eq!(
        (&read.machine.hostname, &read.machine.serial),
        (&set("web1"), &set("S-1"))
    );
    assert_eq!(
        (&read.machine.vendor, &read.machine.model),
        (&set("Acme"), &set("M"))
    );
    assert_eq!(
        (
            read.os.id.as_str(),
            read.os.version.as_str(),
            read.arch.as_str()
        ),
        ("debian", "12.4", "amd64")
    );
    assert_eq!(read.components[0].release, "bookworm");
}

#[test]
fn source_packages_are_read_from_the_properties_of_common_generators() {
    let property = |name: &str, value: &str| json!({"name": name, "value": value});
    let read = taken(json!({"components": [
        {"name": "libc6", "purl": "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12.4", "properties": [
            property("aquasecurity:trivy:SrcName", "glibc"), property("aquasecurity:trivy:SrcVersion", "2.36"),
            property("aquasecurity:trivy:SrcRelease", "9+deb12u4")]},
        {"name": "vim-common", "purl": "pkg:deb/debian/vim-common@2:9.0-1?arch=all&distro=debian-12.4", "properties": [
            property("aquasecurity:trivy:SrcName", "vim"), property("aquasecurity:trivy:SrcVersion", "9.0"),
            property("aquasecurity:trivy:SrcEpoch", "2"), property("aquasecurity:trivy:SrcRelease", "1")]},
        {"name": "perl-base", "purl": "pkg:deb/debian/perl-base@5.36?arch=amd64&distro=debian-12&upstream=perl"},
        {"name": "zip", "purl": "pkg:deb/debian/zip@3.0-13?arch=amd64&distro=debian-12"}]}));
    let mut sources: Vec<_> = read
        .components
        .iter()
        .map(|key| (key.source.as_str(), key.source_version.as_str()))
        .collect();
    sources.sort_unstable();
    assert_eq!(
        sources,
        [
            ("glibc", "2.36-9+deb12u4"),
            ("perl", "5.36"),
            ("vim", "2:9.0-1"),
            ("zip", "3.0-13")
        ]
    );
    assert_eq!(read.told.without_source, 1);
}

#[test]
fn one_document_is_about_one_machine() {
    let device = |name: &str| json!({"type": "device", "name": name});
    let platform = json!({"component": {"type": "platform", "name": "Acme"}});
    let one = taken(json!({"metadata": platform, "components": [device("web1")]}));
    assert_eq!(one.machine.hostname, Change::Set("web1".to_owned()));
    let two =
        document(json!({"metadata": platform, "components": [device("web1"), device("web2")]}));
    assert_eq!(
        refusal(&two),
        "the document is about 2 machines; export and import one host at a time"
    );
    let beside = document(
        json!({"metadata": {"component": device("web1")}, "components": [device("phone")]}),
    );
    assert!(refusal(&beside).contains("2 machines"));
}

#[test]
fn other_formats_and_versions_are_refused_with_what_to_do() {
    for (text, why) in [
        ("", "EOF while parsing"),
        ("<?xml version=\"1.0\"?><bom/>", "expected value at line 1"),
        ("[]", "expected an object with bomFormat"),
        ("{}", "bomFormat is not CycloneDX"),
        (
            r#"{"bomFormat": "SPDX", "specVersion": "1.6"}"#,
            "bomFormat is not CycloneDX",
        ),
        (r#"{"bomFormat": "CycloneDX"}"#, "\"\" is not read"),
        (
            r#"{"bomFormat": "CycloneDX", "specVersion": "1.3"}"#,
            "write the document as one of 1.4, 1.5, 1.6",
        ),
        (
            r#"{"bomFormat": "CycloneDX", "specVersion": 1.6}"#,
            "invalid type",
        ),
        (
            r#"{"bomFormat": "CycloneDX", "specVersion": "1.6"} x"#,
            "trailing characters",
        ),
        (
            r#"{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"purl": "#,
            "EOF while parsing",
        ),
    ] {
        assert!(refusal(text).contains(why), "{text}: {}", refusal(text));
    }
    for version in VERSIONS {
        let text = json!({"bomFormat": "CycloneDX", "specVersion": version}).to_string();
        assert!(read(&text).is_ok(), "{version}");
    }
}

#[test]
fn wrong_types_repeated_keys_and_depth_are_refused_with_their_place() {
    for (components, why) in [
        (json!({}), "expected an array of components"),
        (json!([7]), "expected a component"),
        (json!([{"purl": 7}]), "invalid type"),
        (json!([{"name": ["a"]}]), "invalid type"),
        (
            json!([{"components": {}}]),
            "expected an array of components",
        ),
        (
            json!([{"properties": {"netpatch:source": "x"}}]),
            "expected an array of properties",
        ),
        (json!([{"properties": [{"name": {}}]}]), "invalid type"),
    ] {
        let text = document(json!({ "components": components }));
        assert!(refusal(&text).contains(why), "{text}: {}", refusal(&text));
    }
    let head = r#""bomFormat": "CycloneDX", "specVersion": "1.6""#;
    for (text, field) in [
        (
            format!("{{{head}, \"components\": [], \"components\": []}}"),
            "components",
        ),
        (
            format!("{{{head}, \"specVersion\": \"1.5\"}}"),
            "specVersion",
        ),
        (
            format!(
                "{{{head}, \"components\": [{{\"purl\": \"pkg:npm/a@1\", \"purl\": \"pkg:npm/b@1\"}}]}}"
            ),
            "purl",
        ),
    ] {
        assert!(
            refusal(&text).contains(&format!("duplicate field `{field}`")),
            "{text}"
        );
    }
    let nested = |depth: usize| {
        let open = "{\"name\": \"a\", \"components\": [".repeat(depth);
        let close = "]}".repeat(depth);
        format!("{{{head}, \"components\": [{open}{close}]}}")
    };
    assert!(read(&nested(MAX_DEPTH - 1)).is_ok());
    assert!(refusal(&nested(MAX_DEPTH)).contains("deeper than 16 levels"));
    assert!(refusal(&nested(100_000)).contains("deeper than 16 levels"));
    let array = format!("{{{head}, \"x\": {}", "[".repeat(1_000_000));
    assert!(read(&array).is_err());
}

#[test]
fn a_million_entries_without_a_package_cost_their_count_only() {
    let text = format!(
        r#"{{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{}{{}}]}}"#,
        "{},".repeat(1_000_000)
    );
    let read = read(&text).expect("read");
    let skipped = read.told.into_skipped();
    assert_eq!(
        (skipped[0].count, skipped[0].examples.len()),
        (1_000_001, 10)
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in r#"\{"bomFormat": ?"CycloneDX", ?"specVersion": ?"1.[3-7]"(, ?"(components|metadata|x)": ?[\[\]{}":,a-z0-9@/ \\]{0,60})?\}?"#) {
        let _ = read(&text);
    }
}
