use super::*;
use chrono::DateTime;

fn keys(number: &str, machine: &str, serial: &str, hostname: &str) -> Keys {
    Keys {
        inventory_number: number.into(),
        machine_id: machine.into(),
        serial: serial.into(),
        hostname: hostname.into(),
    }
}

fn host(id: u128, machine: &str, serial: &str, hostname: &str) -> HostKeys {
    HostKeys {
        host: HostId(uuid::Uuid::from_u128(id)),
        keys: keys("", machine, serial, hostname),
        is_taken: false,
    }
}

fn identified(record: &Keys, known: &[Keys]) -> Identity {
    identify(record, &known.iter().enumerate().collect::<Vec<_>>())
}

#[test]
fn placeholders_are_no_serial_numbers() {
    for none in [
        "",
        "0",
        "00000000",
        "To Be Filled By O.E.M.",
        "None",
        "xxxx",
        "--",
        " Default string ",
    ] {
        assert_eq!(serial_key(none), "", "{none:?}");
    }
    assert_eq!(serial_key(" 5CG1234XYZ "), "5cg1234xyz");
    assert_eq!(hostname_key("LOCALHOST.localdomain"), "");
    assert_eq!(hostname_key("Web-1"), "web-1");
}

#[test]
fn a_machine_id_is_hashed_as_agents_do_and_a_hash_stays() {
    let raw = "0123456789abcdef0123456789abcdef";
    let hash = Sha256::of(format!("netpatch-machine/1{raw}").as_bytes()).to_string();
    assert_eq!(machine_key(raw).as_deref(), Some(hash.as_str()));
    assert_eq!(machine_key(&hash).as_deref(), Some(hash.as_str()));
    assert_eq!(
        machine_key("01234567-89AB-CDEF-0123-456789abcdef").as_deref(),
        Some(hash.as_str())
    );
    for none in ["", "abc", &"0".repeat(32), &"g".repeat(32)] {
        assert_eq!(machine_key(none), None, "{none:?}");
    }
}

#[test]
fn the_strongest_key_says_which_asset_it_is_and_contradictions_are_told() {
    let known = [
        keys("A1", "", "s1", "web"),
        keys("A2", "m2", "", "db"),
        keys("", "", "s3", "db"),
    ];
    assert_eq!(identified(&keys("A1", "", "", ""), &known), Identity::Is(0));
    assert_eq!(
        identified(&keys("", "", "s3", "x"), &known),
        Identity::Is(2)
    );
    assert_eq!(identified(&keys("A9", "", "", "x"), &known), Identity::New);
    assert!(matches!(
        identified(&keys("A9", "", "s1", ""), &known),
        Identity::Unclear(_)
    ));
    assert!(matches!(
        identified(&keys("A1", "m2", "", ""), &known),
        Identity::Unclear(_)
    ));
    // A new number with a known name is another machine of that name, unless that one has no number.
    assert_eq!(
        identified(&keys("A9", "", "", "web"), &known),
        Identity::New
    );
    assert_eq!(
        identified(&keys("", "", "", "web"), &known),
        Identity::Is(0)
    );
    assert!(matches!(
        identified(&keys("", "", "", "db"), &known),
        Identity::Unclear(_)
    ));
}

#[test]
fn a_host_is_linked_by_one_key_that_fits_one_both_ways() {
    let nobody = |_: AssetLinkRule| false;
    let hosts = [
        host(1, "m1", "s1", "web"),
        host(2, "m2", "", "db"),
        host(3, "m3", "", "db"),
    ];
    let to = |id, rule| Link::To(HostId(uuid::Uuid::from_u128(id)), rule);
    assert_eq!(
        link(&keys("", "m1", "", "db"), &hosts, nobody),
        to(1, AssetLinkRule::MachineId)
    );
    assert_eq!(
        link(&keys("", "", "s1", ""), &hosts, nobody),
        to(1, AssetLinkRule::Serial)
    );
    assert_eq!(
        link(&keys("", "", "", "web"), &hosts, nobody),
        to(1, AssetLinkRule::Hostname)
    );
    assert!(
        matches!(link(&keys("", "", "", "db"), &hosts, nobody), Link::Ambiguous(two) if two.len() == 2)
    );
    // The same name, another serial number: another machine, or a changed board. A person knows.
    assert!(matches!(
        link(&keys("", "", "s9", "web"), &hosts, nobody),
        Link::Ambiguous(_)
    ));
    assert!(matches!(
        link(&keys("", "", "", "web"), &hosts, |_| true),
        Link::Ambiguous(_)
    ));
    let mut taken = hosts.clone();
    taken[0].is_taken = true;
    assert!(matches!(
        link(&keys("", "m1", "", ""), &taken, nobody),
        Link::Ambiguous(_)
    ));
    assert_eq!(link(&keys("", "", "", "mail"), &hosts, nobody), Link::None);
}

#[test]
fn fields_are_trimmed_and_what_does_not_fit_is_named() {
    let write = AssetWrite {
        owner: Change::Set("  ".into()),
        tier: Change::Set(" server ".into()),
        ..AssetWrite::default()
    };
    let write = checked(write).expect("fits");
    assert_eq!(
        (write.owner, write.tier),
        (Change::Clear, Change::Set("server".into()))
    );
    let field = |write| checked(write).expect_err("refused").field;
    let long = Change::Set("x".repeat(256));
    assert_eq!(
        field(AssetWrite {
            model: long,
            ..AssetWrite::default()
        }),
        "model"
    );
    let old = Change::Set(DateTime::UNIX_EPOCH.date_naive());
    assert_eq!(
        field(AssetWrite {
            warranty_end: old,
            ..AssetWrite::default()
        }),
        "warrantyEnd"
    );
    let tags = Change::Set(BTreeSet::from(["x".repeat(60)]));
    assert_eq!(
        field(AssetWrite {
            tags,
            ..AssetWrite::default()
        }),
        "tags"
    );
}

#[test]
fn labels_of_others_are_left_alone() {
    let mut labels: Labels = [("ring", "canary"), ("owner", "ada"), ("tag:old", "")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    let write = AssetWrite {
        owner: Change::Clear,
        criticality: Change::Set(Criticality::High),
        tags: Change::Set(["new".to_owned()].into()),
        ..AssetWrite::default()
    };
    assert_eq!(
        write_labels(&mut labels, &write),
        ["owner", "criticality", "tags"]
    );
    assert_eq!(write_labels(&mut labels, &write), [""; 0]);
    assert_eq!(
        labels.keys().collect::<Vec<_>>(),
        ["criticality", "ring", "tag:new"]
    );
    assert_eq!(asset_labels(&labels).len(), 2);
}
