use super::*;

fn plain_read(text: &str) -> Sheet {
    let site = SiteId(uuid::Uuid::from_u128(7));
    read(
        text,
        &BTreeMap::new(),
        &[("berlin".to_owned(), site)].into(),
    )
}

fn places(sheet: &Sheet) -> Vec<(u64, &str)> {
    sheet
        .errors
        .iter()
        .map(|error| (error.line, error.column.as_str()))
        .collect()
}

#[test]
fn a_file_of_another_inventory_is_read_by_its_own_words() {
    let text = "\u{feff}Asset Tag;Name;Serial Number;Business Impact;Warranty Expires;Tags;Price;Site\r\n\
                A-1;web-1;S1;High;2027-01-31;pci | lab;100;Berlin\r\n\
                \r\n\
                A-2;\"we;b\"\"2\";;;;;;\r\n";
    let sheet = plain_read(text);
    assert_eq!(
        (places(&sheet), sheet.ignored.join(",")),
        (vec![], "Price".to_owned())
    );
    assert_eq!(sheet.rows.len(), 2);
    let first = &sheet.rows[0];
    assert_eq!(
        (first.line, &first.write.hostname),
        (2, &Change::Set("web-1".to_owned()))
    );
    assert_eq!(first.write.criticality, Change::Set(Criticality::High));
    assert_eq!(
        first.write.tags,
        Change::Set(["lab", "pci"].map(str::to_owned).into())
    );
    assert!(first.write.site.value().is_some());
    let second = &sheet.rows[1];
    assert_eq!(
        (second.line, &second.write.hostname),
        (4, &Change::Set("we;b\"2".to_owned()))
    );
    assert_eq!(
        second.write.serial,
        Change::Keep,
        "an empty cell says nothing"
    );
}

#[test]
fn every_error_has_its_line_and_column_and_a_way_out() {
    let text = "hostname,criticality,warranty_end,site\n\
                a,urgent,31.01.2027,Paris\n\
                b,low\n\
                \"c\nd\",low,,\n\
                e,low,2027-02-30,\n";
    let sheet = plain_read(text);
    assert_eq!(
        places(&sheet),
        [
            (2, "criticality"),
            (2, "warranty_end"),
            (2, "site"),
            (3, ""),
            (6, "warranty_end")
        ]
    );
    assert!(sheet.errors.iter().all(|error| !error.remedy.is_empty()));
    assert_eq!(sheet.rows.len(), 1);
}

#[test]
fn a_mapping_names_columns_and_a_wrong_one_is_refused() {
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(header, field)| ((*header).to_owned(), (*field).to_owned()))
            .collect()
    };
    let text = "Rechner,Besitzer,Name\nweb,ada,x\n";
    let mapped = map(&[("rechner", "hostname"), ("Besitzer", "owner"), ("Name", "")]);
    let sheet = read(text, &mapped, &BTreeMap::new());
    assert_eq!(
        (sheet.error_count, sheet.ignored.join(",")),
        (0, "Name".to_owned())
    );
    assert_eq!(sheet.rows[0].write.owner, Change::Set("ada".to_owned()));
    assert_eq!(sheet.words["hostname"], "Rechner");
    for (pairs, column) in [
        (&[("Rechner", "colour")][..], "Rechner"),
        (&[("Farbe", "model")], "farbe"),
        (&[("Rechner", "hostname")], "Name"),
    ] {
        let sheet = read(text, &map(pairs), &BTreeMap::new());
        assert_eq!(places(&sheet)[0], (1, column), "{pairs:?}");
        assert!(sheet.rows.is_empty());
    }
}

#[test]
fn files_that_are_none_are_refused() {
    assert_eq!(places(&plain_read("")), [(1, "")]);
    assert_eq!(places(&plain_read("colour,price\nred,1\n")), [(1, "")]);
    assert_eq!(places(&plain_read(&"hostname,".repeat(300))), [(1, "")]);
    let never_ends = format!("hostname,owner\na,\"{}", "x".repeat(100_000));
    assert_eq!(places(&plain_read(&never_ends)), [(2, "owner")]);
    let long = format!("hostname\n{}", "a\n".repeat(MAX_ASSETS + 5));
    let sheet = plain_read(&long);
    assert_eq!((sheet.rows.len(), sheet.error_count), (MAX_ASSETS, 1));
    let wrong = format!("hostname,criticality\n{}", "a,b\n".repeat(5000));
    let sheet = plain_read(&wrong);
    assert_eq!((sheet.errors.len(), sheet.error_count), (MAX_ERRORS, 5000));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*", rows in proptest::collection::vec("[a-z,;\"\t\n|0-9-]{0,40}", 0..8)) {
        plain_read(&text);
        plain_read(&format!("hostname,tags,eol\n{}", rows.concat()));
    }
}
