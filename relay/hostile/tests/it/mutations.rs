use netpatch_hostile::{Act, End, MARK, Options, Phase, run};
use netpatch_protocol::frame::encode_frame;
use netpatch_protocol::session::HostFacts;

/// `NETPATCH_SEED` for another plan, `NETPATCH_MUTATION` for one of its mutations alone.
fn options() -> Options {
    let given = |name: &str| {
        let text = std::env::var(name).ok();
        text.map(|text| text.parse::<u64>().expect("a number"))
    };
    let numbers = match given("NETPATCH_MUTATION") {
        Some(number) => number..number + 1,
        None => 0..10_000,
    };
    Options {
        seed: given("NETPATCH_SEED").unwrap_or(1),
        numbers,
        lanes: 24,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hostile_relay_has_no_effect_but_delay_and_refusal() {
    let options = options();
    let count = options.numbers.end - options.numbers.start;
    let outcome = run(options).await.expect("runs to its end");
    let (verdict, capture) = (&outcome.verdict, &outcome.capture);
    println!("{:?}, {:?}", outcome.took, outcome.effects);
    println!(
        "late {}, grown by {} bytes, {} bytes seen",
        verdict.late(),
        outcome.grown_bytes,
        capture.bytes()
    );
    for (key, count) in verdict.ends() {
        println!("{key:?} {count}");
    }
    assert_eq!(verdict.count_wrong(), 0, "{:#?}", verdict.all_wrong());
    assert_eq!(outcome.panics, 0);
    assert!(outcome.grown_bytes < 256 << 20, "{}", outcome.grown_bytes);

    // The rest says that something was tried.
    let ends = verdict.ends();
    assert_eq!(ends.values().sum::<u64>(), count);
    let sum = |fits: &dyn Fn(&(Phase, Act, End)) -> bool| -> u64 {
        let fitting = ends.iter().filter(|(key, _)| fits(key));
        fitting.map(|(_, count)| count).sum()
    };
    assert!(
        sum(&|(_, _, end)| *end == End::Missed) * 50 <= count,
        "{ends:?}"
    );
    if count < 10_000 {
        return;
    }
    for act in Act::ALL {
        assert!(sum(&|(_, one, _)| *one == act) > 50, "{act:?}: {ends:?}");
    }
    for (phase, _) in Phase::ALL {
        let refused =
            sum(&|(one, _, end)| *one == phase && ![End::Missed, End::Delayed].contains(end));
        assert!(refused > 50, "{phase}: {ends:?}");
    }
    for kind in [
        "answer",
        "enrolment",
        "facts",
        "manifest",
        "membership",
        "order",
        "result",
    ] {
        assert!(
            outcome.effects.get(kind).is_some_and(|count| *count > 50),
            "{kind}"
        );
    }
    assert!(capture.bytes() > 10_000_000 && capture.seen_by_design() > 1000);
}

/// The marks are where they are said to be: in what the session carries.
#[test]
fn the_search_would_find_what_a_host_sends() {
    let facts = HostFacts {
        hostname: format!("{MARK}-1"),
        ..HostFacts::default()
    };
    let capture = netpatch_hostile::Capture::new();
    let frame = encode_frame(&facts).expect("small");
    capture.take(&mut netpatch_hostile::Tap::default(), "a frame", &frame);
    assert_eq!(capture.found(), ["a frame"]);
}
