use super::*;
use crate::journal::{Encoder, Entry, OrderRecord, ProcessRecord, Record, VERSION, decode};
use crate::plan::Plan;
use netpatch_types::Sha256;
use proptest::prelude::*;
use uuid::Uuid;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
}

fn order() -> OrderTimes {
    OrderTimes {
        not_before: at(0),
        not_after: at(10_000),
        estimate: Duration::from_secs(60),
        require_rollback: false,
        await_reboot: true,
    }
}

fn good() -> Facts {
    Facts {
        now: at(100),
        time_confirmed: true,
        window: WindowNow::Open { until: at(5_000) },
        lease: Lease::Fresh,
        transaction: Transaction::NotStarted,
        settled: false,
    }
}

fn run_in(inputs: &[Input]) -> Run {
    let mut journal = Disk::default();
    journal.append(first());
    for input in inputs {
        journal.append(Record::Transition {
            input: *input,
            message: String::new(),
            evidence: vec![],
        });
    }
    journal.fold().expect("a run")
}

fn first() -> Record {
    Record::Order(OrderRecord {
        deployment: Uuid::from_u128(1),
        wave: Uuid::from_u128(2),
        sequence: 1,
        attempt: 1,
        order: Sha256::of(b"order"),
        envelope: String::new(),
    })
}

const TO_WAITING: [Input; 4] = [
    Input::Accept,
    Input::BeginStaging,
    Input::Staged,
    Input::AwaitWindow,
];

fn applied(next: Next) -> Input {
    match next {
        Next::Apply { input, .. } => input,
        other => panic!("expected a transition, not {other:?}"),
    }
}

#[test]
fn nothing_starts_while_anything_is_missing() {
    let run = run_in(&TO_WAITING);
    for facts in [
        Facts {
            time_confirmed: false,
            ..good()
        },
        Facts {
            now: at(-5),
            ..good()
        },
        Facts {
            window: WindowNow::Closed {
                opens: Some(at(300)),
            },
            ..good()
        },
        Facts {
            window: WindowNow::Open { until: at(159) },
            ..good()
        },
        Facts {
            lease: Lease::Stale,
            ..good()
        },
    ] {
        assert!(
            matches!(decide_next(&run, &order(), &facts), Next::Wait { .. }),
            "{facts:?}"
        );
    }
    assert_eq!(
        applied(decide_next(&run, &order(), &good())),
        Input::BeginSnapshot
    );
}

#[test]
fn a_halt_cancels_every_state_before_installing() {
    let halted = Facts {
        lease: Lease::Halted,
        ..good()
    };
    let all = [
        Input::Accept,
        Input::BeginStaging,
        Input::Staged,
        Input::AwaitWindow,
        Input::BeginSnapshot,
    ];
    for length in 1..=all.len() {
        let run = run_in(&all[..length]);
        assert_eq!(
            applied(decide_next(&run, &order(), &halted)),
            Input::Cancel,
            "{}",
            run.state
        );
    }
    let mut begun = all.to_vec();
    begun.push(Input::BeginInstall);
    let run = run_in(&begun);
    assert_eq!(
        applied(decide_next(&run, &order(), &halted)),
        Input::Fail(FailureCause::Cancelled)
    );
    let running = Facts {
        transaction: Transaction::Running,
        ..halted
    };
    assert!(
        matches!(decide_next(&run, &order(), &running), Next::Wait { .. }),
        "a working apt is never stopped"
    );
}

#[test]
fn an_order_ends_only_on_confirmed_time() {
    let run = run_in(&TO_WAITING);
    let late = Facts {
        now: at(10_000),
        ..good()
    };
    assert_eq!(applied(decide_next(&run, &order(), &late)), Input::Expire);
    let unsure = Facts {
        time_confirmed: false,
        ..late
    };
    assert!(matches!(
        decide_next(&run, &order(), &unsure),
        Next::Wait { .. }
    ));
    let never = Facts {
        window: WindowNow::Closed { opens: None },
        ..good()
    };
    assert_eq!(
        applied(decide_next(&run, &order(), &never)),
        Input::Refuse(Refusal::WindowTooShort)
    );
}

/// Bytes that survive a crash.
#[derive(Default)]
struct Disk {
    bytes: Vec<u8>,
    encoder: Encoder,
}

impl Disk {
    fn append(&mut self, record: Record) {
        let entries = decode(&self.bytes).expect("whole").entries.len() as u64;
        let entry = Entry {
            v: VERSION,
            seq: entries + 1,
            at_ms: 0,
            record,
        };
        self.bytes
            .extend(self.encoder.encode(&entry).expect("encodes"));
    }

    fn fold(&self) -> Option<Run> {
        Run::fold(&decode(&self.bytes).expect("readable").entries).expect("legal")
    }

    /// A power cut: the last line may be torn, memory is gone.
    fn crash(&mut self, torn_bytes: usize) {
        let last = self.bytes[..self.bytes.len() - 1]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        if last > 0 && torn_bytes > 0 {
            let keep = self.bytes.len().saturating_sub(torn_bytes).max(last);
            self.bytes.truncate(keep);
        }
        let decoded = decode(&self.bytes).expect("readable");
        self.bytes.truncate(decoded.whole_bytes);
        self.encoder = decoded.encoder;
    }
}

/// The host: what the package manager did survives the agent.
#[derive(Default)]
struct Host {
    installs: usize,
    rollbacks: usize,
    install: Option<Transaction>,
    rollback: Option<Transaction>,
    patched: bool,
}

fn act(
    next: &Next,
    disk: &mut Disk,
    host: &mut Host,
    install_code: i32,
    crash_before_journal: bool,
) {
    let transition = |input| Record::Transition {
        input,
        message: String::new(),
        evidence: vec![],
    };
    let process = |purpose| {
        Record::Process(ProcessRecord {
            purpose,
            pid: 1,
            start_ticks: 1,
            boot_id: String::new(),
        })
    };
    let records = match next {
        Next::Apply { input, .. } => vec![transition(*input)],
        Next::Stage => vec![
            Record::Planned {
                plan: Plan::default(),
            },
            Record::Staged {
                rollback_possible: true,
                without_way_back: vec![],
                bytes_from_relay: 0,
                bytes_from_origin: 0,
            },
            transition(Input::Staged),
        ],
        Next::Snapshot => vec![Record::Snapshot {
            sha256: Sha256::of(b""),
        }],
        Next::StartInstall => {
            host.installs += 1;
            host.patched = install_code == 0;
            host.install = Some(Transaction::Running);
            vec![process(Purpose::Install)]
        }
        Next::Verify { .. } if host.patched => vec![transition(Input::Verified)],
        Next::Verify { .. } => vec![transition(Input::Fail(FailureCause::Unknown(None)))],
        Next::Diagnose { exit_code } => vec![transition(Input::Fail(FailureCause::Unknown(Some(
            *exit_code,
        ))))],
        Next::StartRollback { .. } => {
            host.rollbacks += 1;
            host.patched = false;
            host.rollback = Some(Transaction::Running);
            vec![process(Purpose::Rollback)]
        }
        Next::CompareRollback => vec![transition(Input::RolledBack)],
        Next::Wait { .. } | Next::Finished => vec![],
    };
    if !crash_before_journal {
        for record in records {
            disk.append(record);
        }
    }
}

proptest! {
    /// Crash before the effect, after it, in the middle of a line, with every fact changing at random: the run ends
    /// in a final state once the facts are good, and the package manager was started for it at most once.
    #[test]
    fn crashes_everywhere_converge_and_install_once(
        script in proptest::collection::vec((0u8..8, 0usize..120, any::<bool>(), any::<bool>()), 0..40),
        install_code in prop_oneof![Just(0), Just(100)],
    ) {
        let mut disk = Disk::default();
        disk.append(first());
        disk.append(Record::Transition { input: Input::Accept, message: String::new(), evidence: vec![] });
        let mut host = Host::default();
        let mut script = script.into_iter();
        for round in 0..200 {
            let noise = script.next();
            let run = disk.fold().expect("the order is never lost");
            let mut facts = good();
            let slot = if run.state == RunState::RollingBack { &mut host.rollback } else { &mut host.install };
            if let (Some(state), Some((kind, ..))) = (slot.as_mut(), noise) {
                *state = match (*state, kind) {
                    (Transaction::Running, 0) => Transaction::Lost,
                    (Transaction::Running, 1..=4) => Transaction::Ended(install_code),
                    (other, _) => other,
                };
            } else if let Some(Transaction::Running) = slot {
                *slot = Some(Transaction::Ended(if run.state == RunState::RollingBack { 0 } else { install_code }));
            }
            facts.transaction = slot.unwrap_or(Transaction::NotStarted);
            if let Some((kind, ..)) = noise {
                match kind {
                    5 => facts.lease = Lease::Stale,
                    6 => facts.window = WindowNow::Closed { opens: Some(at(900)) },
                    7 => facts.time_confirmed = false,
                    _ => {}
                }
            }
            let next = decide_next(&run, &order(), &facts);
            if next == Next::Finished {
                prop_assert!(run.is_final());
                prop_assert!(host.installs <= 1);
                prop_assert!(host.rollbacks <= MAX_ROLLBACKS + 40);
                prop_assert_eq!(run.state == RunState::Succeeded, host.patched);
                return Ok(());
            }
            let crash_before_journal = noise.is_some_and(|(_, _, before, _)| before);
            act(&next, &mut disk, &mut host, install_code, crash_before_journal);
            if let Some((_, torn_bytes, _, true)) = noise
                && !matches!(next, Next::Wait { .. })
                && !crash_before_journal
            {
                disk.crash(torn_bytes);
            }
            prop_assert!(host.installs <= 1, "round {}", round);
        }
        prop_assert!(false, "the run never ended");
    }
}
