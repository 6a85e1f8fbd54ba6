use super::*;
use netpatch_agent_core::journal::{Entry, OrderRecord, Record, Run};
use netpatch_agent_core::{Input, Refusal};
use netpatch_types::Sha256;

/// A run whose steps were taken at these times; the last one refuses its order if it is over.
fn recorded(sequence: u64, times: &[i64], is_over: bool, evidence: usize) -> Recorded {
    let entry = |seq, at_ms, record| Entry {
        v: 1,
        seq,
        at_ms,
        record,
    };
    let order = OrderRecord {
        deployment: uuid::Uuid::from_u128(1),
        wave: uuid::Uuid::from_u128(2),
        sequence,
        attempt: 1,
        order: Sha256::of(b""),
        envelope: String::new(),
    };
    let mut run = Run::begin(&entry(1, 0, Record::Order(order))).expect("begins");
    let mut inputs = [
        Input::Accept,
        Input::BeginStaging,
        Input::Staged,
        Input::AwaitWindow,
    ]
    .into_iter()
    .chain(std::iter::repeat([Input::BeginSnapshot, Input::AwaitWindow]).flatten());
    for (index, at_ms) in times.iter().enumerate() {
        let input = match inputs.next().expect("endless") {
            _ if is_over && index + 1 == times.len() => Input::Refuse(Refusal::Superseded),
            input => input,
        };
        let record = Record::Transition {
            input,
            message: String::new(),
            evidence: vec!["x".repeat(500); evidence],
        };
        let seq = run.next_seq();
        run.apply(&entry(seq, *at_ms, record)).expect("follows");
    }
    Recorded {
        folder: PathBuf::from(sequence.to_string()),
        run,
    }
}

fn waiting(recorded: &Recorded, result: bool) -> Waiting<'_> {
    Waiting {
        recorded,
        result: result.then(Envelope::default),
        after: 0,
    }
}

fn told(events: &[(usize, RunEvent)]) -> Vec<(u64, u64)> {
    let pair = |(_, event): &(usize, RunEvent)| (event.sequence, event.step);
    events.iter().map(pair).collect()
}

#[test]
fn steps_of_all_runs_are_told_in_the_order_of_their_time_and_the_result_last() {
    let (first, second) = (
        recorded(1, &[10, 20, 90], true, 0),
        recorded(2, &[30, 20, 40], true, 0),
    );
    let mut runs = [waiting(&first, true), waiting(&second, true)];
    let events = batch(&mut runs);
    // A clock that went back does not turn a run's own steps round.
    assert_eq!(
        told(&events),
        [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (1, 3)]
    );
    let with_result: Vec<_> = events
        .iter()
        .filter(|(_, event)| event.result.is_some())
        .cloned()
        .collect();
    assert_eq!(told(&with_result), [(2, 3), (1, 3)]);
    assert!(batch(&mut runs).is_empty());
}

#[test]
fn an_end_without_its_result_waits_and_holds_up_no_other_run() {
    let (first, second) = (
        recorded(1, &[10, 20], true, 0),
        recorded(2, &[30, 40], true, 0),
    );
    let mut runs = [waiting(&first, false), waiting(&second, true)];
    assert_eq!(told(&batch(&mut runs)), [(1, 1), (2, 1), (2, 2)]);
}

#[test]
fn a_message_is_bounded_in_steps_and_bytes() {
    let times: Vec<i64> = (0..250).collect();
    let long = recorded(1, &times, false, 0);
    let mut runs = [waiting(&long, false)];
    let sizes = std::iter::from_fn(|| Some(batch(&mut runs).len()).filter(|size| *size > 0));
    assert_eq!(sizes.collect::<Vec<_>>(), [100, 100, 50]);

    let large = recorded(2, &times[..30], false, 60);
    let mut runs = [waiting(&large, false)];
    let mut steps = 0;
    loop {
        let events = batch(&mut runs);
        if events.is_empty() {
            break;
        }
        let bytes: usize = events.iter().map(|(_, event)| event.encoded_len()).sum();
        assert!(bytes <= BYTES, "{bytes}");
        steps += events.len();
    }
    assert_eq!(steps, 30);
}

#[test]
fn answers_free_what_was_awaited_and_a_missing_one_is_taken_for_a_refusal() {
    let mut reports = Reports::default();
    for (folder, ends_message) in [("1", false), ("2", true), ("3", true)] {
        reports.sent.insert(folder.into(), 1);
        reports.awaited.push_back(Awaited {
            folder: folder.into(),
            ends_message,
        });
    }
    assert_eq!(reports.messages(), 2);
    reports.answered(Path::new("9"));
    assert_eq!(reports.messages(), 2, "nobody waited for that");
    reports.answered(Path::new("1"));
    assert_eq!((reports.messages(), reports.sent.len()), (2, 2));
    reports.answered(Path::new("3"));
    assert_eq!((reports.messages(), reports.sent.len()), (0, 0));
    assert!(reports.refused.contains(Path::new("2")));
    reports.forget();
    assert!(reports.refused.is_empty(), "a new session asks once more");
}
