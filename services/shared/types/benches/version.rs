//! Comparing versions: parsed and not, each beside the obvious peer.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use netpatch_types::Ecosystem;
use netpatch_types::version::Version;
use std::cmp::Ordering;
use std::hint::black_box;

/// Pairs as they are compared in practice: an installed version and one that fixes something.
fn pairs(ecosystem: Ecosystem) -> Vec<(String, String)> {
    let pair = |n: u32| {
        let (a, b, c) = (n % 7, n % 23, n % 101);
        match ecosystem {
            Ecosystem::Deb => (
                format!("{a}.{b}.{c}+dfsg-2+deb12u{a}"),
                format!("{a}.{b}.{c}+dfsg-2+deb12u{b}"),
            ),
            Ecosystem::Rpm => (
                format!("{a}.{b}-{c}.el9_{a}.1"),
                format!("{a}.{b}-{c}.el9_{b}.1"),
            ),
            Ecosystem::Apk => (format!("{a}.{b}.{c}-r{a}"), format!("{a}.{b}.{c}-r{b}")),
            Ecosystem::Windows => (format!("10.0.{c}.{a}"), format!("10.0.{c}.{b}")),
            Ecosystem::Gem => (format!("{a}.{b}.0.rc{c}"), format!("{a}.{b}.0")),
            _ => (format!("{a}.{b}.{c}-rc{a}"), format!("{a}.{b}.{c}")),
        }
    };
    (0..1000).map(pair).collect()
}

fn count<T>(pairs: &[(T, T)], compare: impl Fn(&T, &T) -> Ordering) -> usize {
    pairs
        .iter()
        .filter(|(left, right)| compare(left, right).is_lt())
        .count()
}

/// The texts, and the same parsed before.
fn measure<T>(
    criterion: &mut Criterion,
    group: &str,
    name: &str,
    texts: &[(String, String)],
    parse: impl Fn(&str) -> T,
    compare: impl Fn(&T, &T) -> Ordering,
) {
    let mut group = criterion.benchmark_group(group);
    group.throughput(Throughput::Elements(texts.len() as u64));
    group.bench_function(format!("{name}/parse and compare"), |bencher| {
        bencher.iter(|| {
            count(black_box(texts), |left, right| {
                compare(&parse(left), &parse(right))
            })
        });
    });
    let parsed = || -> Vec<_> {
        texts
            .iter()
            .map(|(left, right)| (parse(left), parse(right)))
            .collect()
    };
    group.bench_function(format!("{name}/compare"), |bencher| {
        bencher.iter_batched_ref(
            parsed,
            |parsed| count(parsed, &compare),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn versions(criterion: &mut Criterion) {
    for ecosystem in Ecosystem::ALL {
        let texts = pairs(ecosystem);
        let texts: Vec<_> = texts
            .into_iter()
            .filter(|(left, right)| {
                [left, right]
                    .iter()
                    .all(|text| Version::parse(ecosystem, text).is_ok())
            })
            .collect();
        if texts.is_empty() {
            continue;
        }
        let parse = |text: &str| Version::parse(ecosystem, text).expect("valid");
        let compare = |left: &Version, right: &Version| left.compare(right).expect("one ecosystem");
        measure(
            criterion,
            ecosystem.as_str(),
            "ours",
            &texts,
            parse,
            compare,
        );
    }
}

fn peers(criterion: &mut Criterion) {
    measure(
        criterion,
        "deb",
        "debversion",
        &pairs(Ecosystem::Deb),
        |text| text.parse::<debversion::Version>().expect("valid"),
        Ord::cmp,
    );
    measure(
        criterion,
        "rpm",
        "rpm-version",
        &pairs(Ecosystem::Rpm),
        |text| {
            let (epoch, version, release) = rpm_version::Evr::parse_values(text);
            rpm_version::Evr::new(epoch.to_owned(), version.to_owned(), release.to_owned())
        },
        Ord::cmp,
    );
    measure(
        criterion,
        "pypi",
        "pep440_rs",
        &pairs(Ecosystem::Pypi),
        |text| text.parse::<pep440_rs::Version>().expect("valid"),
        Ord::cmp,
    );
    measure(
        criterion,
        "npm",
        "semver",
        &pairs(Ecosystem::Npm),
        |text| semver::Version::parse(text).expect("valid"),
        semver::Version::cmp_precedence,
    );
}

criterion_group!(benches, versions, peers);
criterion_main!(benches);
