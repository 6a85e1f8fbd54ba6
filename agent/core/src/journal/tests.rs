use super::*;
use crate::plan::{Change, PlanItem};
use crate::{FailureCause, RunState};
use proptest::prelude::*;

fn order() -> Record {
    Record::Order(OrderRecord {
        deployment: Uuid::from_u128(1),
        wave: Uuid::from_u128(2),
        sequence: 3,
        attempt: 1,
        order: Sha256::of(b"order"),
        envelope: "00ff".into(),
    })
}

fn entries() -> Vec<Entry> {
    let step = |input| Record::Transition {
        input,
        message: "said".into(),
        evidence: vec!["line".into()],
    };
    [
        order(),
        step(Input::Accept),
        step(Input::BeginStaging),
        Record::Planned {
            plan: Plan::new(vec![PlanItem {
                name: "a".into(),
                arch: "all".into(),
                change: Change::Upgrade,
                before: Some("1".into()),
                version: Some("2".into()),
                sha256: Some(Sha256::of(b"a")),
                size_bytes: 7,
                file_name: "a_2_all.deb".into(),
            }]),
        },
        Record::Staged {
            rollback_possible: true,
            without_way_back: vec![],
            bytes_from_relay: 10,
            bytes_from_origin: 0,
        },
        step(Input::Staged),
        step(Input::BeginSnapshot),
        Record::Snapshot {
            sha256: Sha256::of(b"snapshot"),
        },
        step(Input::BeginInstall),
        Record::Process(ProcessRecord {
            purpose: Purpose::Install,
            pid: 17,
            start_ticks: 4711,
            boot_id: "boot".into(),
        }),
        step(Input::Fail(FailureCause::Unknown(Some(100)))),
    ]
    .into_iter()
    .enumerate()
    .map(|(index, record)| Entry {
        v: VERSION,
        seq: index as u64 + 1,
        at_ms: 1000 + index as i64,
        record,
    })
    .collect()
}

fn encoded(entries: &[Entry]) -> Vec<u8> {
    let mut encoder = Encoder::default();
    entries
        .iter()
        .flat_map(|entry| encoder.encode(entry).expect("encodes"))
        .collect()
}

#[test]
fn the_bytes_of_version_1_are_frozen() {
    let text = String::from_utf8(encoded(&entries())).expect("text");
    let lines: Vec<&str> = text.lines().map(|line| &line[17..]).collect();
    assert_eq!(
        lines[1],
        r#"{"v":1,"seq":2,"at_ms":1001,"record":{"type":"transition","input":"accept","message":"said","evidence":["line"]}}"#
    );
    assert_eq!(
        lines[9],
        r#"{"v":1,"seq":10,"at_ms":1009,"record":{"type":"process","purpose":"install","pid":17,"start_ticks":4711,"boot_id":"boot"}}"#
    );
    assert_eq!(
        lines[10],
        r#"{"v":1,"seq":11,"at_ms":1010,"record":{"type":"transition","input":{"fail":{"unknown":100}},"message":"said","evidence":["line"]}}"#
    );
    assert_eq!(
        Sha256::of(text.as_bytes()).to_string(),
        DIGEST_OF_VERSION_1,
        "{text}"
    );
}

const DIGEST_OF_VERSION_1: &str =
    "8fdf0a09fcbcc23124e58f2a58240b2302fc49c41ea79aff7d136bcd5866dd8c";

#[test]
fn a_journal_folds_to_its_run() {
    let run = Run::fold(&entries()).expect("legal").expect("a run");
    assert_eq!(
        run.state,
        RunState::Failed {
            cause: FailureCause::Unknown(Some(100)),
            changed: true
        }
    );
    assert_eq!(run.cause_word(), "unknown(100)");
    assert!(run.can_roll_back() && !run.is_final());
    assert_eq!(
        run.steps.iter().map(|step| step.step).collect::<Vec<_>>(),
        (1..=6).collect::<Vec<_>>()
    );
}

#[test]
fn a_newer_version_is_named() {
    let mut newer = entries();
    newer[2].v = 2;
    assert_eq!(
        decode(&encoded(&newer)).expect_err("too new"),
        JournalError::TooNew {
            line: 3,
            version: 2
        }
    );
}

#[test]
fn an_illegal_line_is_an_error() {
    let mut wrong = entries();
    wrong.remove(2);
    for (index, entry) in wrong.iter_mut().enumerate() {
        entry.seq = index as u64 + 1;
    }
    let decoded = decode(&encoded(&wrong)).expect("digests are right");
    assert!(matches!(
        Run::fold(&decoded.entries),
        Err(JournalError::Illegal { seq: 5, .. })
    ));
}

proptest! {
    /// Cut anywhere, a journal is a prefix of itself, and what is appended then can be read.
    #[test]
    fn a_torn_end_is_dropped_and_the_journal_goes_on(cut in 0usize..2000, noise in proptest::collection::vec(any::<u8>(), 0..20)) {
        let all = entries();
        let bytes = encoded(&all);
        let cut = cut.min(bytes.len());
        let mut torn = bytes[..cut].to_vec();
        if !torn.ends_with(b"\n") && !noise.contains(&b'\n') {
            torn.extend_from_slice(&noise);
        }
        let decoded = decode(&torn).expect("a torn end is no damage");
        let whole = decoded.entries.len();
        prop_assert_eq!(&decoded.entries[..], &all[..whole]);
        prop_assert_eq!(decoded.whole_bytes, encoded(&all[..whole]).len());
        let mut encoder = decoded.encoder;
        let mut again = torn[..decoded.whole_bytes].to_vec();
        for entry in &all[whole..] {
            again.extend(encoder.encode(entry).expect("encodes"));
        }
        prop_assert_eq!(again, bytes);
    }

    /// A changed byte before the last line is found.
    #[test]
    fn a_changed_byte_is_found(at in 0usize..5000, flip in 1u8..=255) {
        let mut bytes = encoded(&entries());
        let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').expect("lines") + 1;
        // The newline before the last line is left out: without it both look like one torn line.
        let at = at % (last - 1);
        bytes[at] ^= flip;
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
    }
}
