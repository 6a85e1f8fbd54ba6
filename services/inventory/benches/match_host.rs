//! Matches a host of 500 packages against the whole bundled Debian pack with a warm index. Goal: at most 5 ms.

#![allow(missing_docs, reason = "the macros of criterion make public functions")]

use criterion::{Criterion, criterion_group, criterion_main};
use netpatch_inventory::domain::index::MatchIndex;
use netpatch_inventory::pack;
use netpatch_types::{ComponentKey, Ecosystem};
use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;

/// 500 packages of real sources, the first of them with most advisories, one version before their last fix.
fn host(pack: &pack::Pack) -> Vec<ComponentKey> {
    let mut sources: HashMap<&str, (usize, &str)> = HashMap::new();
    let affected = pack
        .advisories
        .iter()
        .flat_map(|advisory| &advisory.affected);
    for (name, fixed) in affected.filter_map(|one| Some((one.name.as_str(), one.only_fix()?))) {
        let entry = sources.entry(name).or_insert((0, fixed));
        entry.0 += 1;
    }
    let mut sources: Vec<_> = sources.into_iter().collect();
    sources.sort_by_key(|(source, (count, _))| (std::cmp::Reverse(*count), *source));
    sources
        .into_iter()
        .take(500)
        .map(|(source, (_, version))| ComponentKey {
            ecosystem: Ecosystem::Deb,
            distribution: "debian".into(),
            release: "bookworm".into(),
            name: source.into(),
            version: version.into(),
            arch: "amd64".into(),
            source: source.into(),
            source_version: version.into(),
        })
        .collect()
}

fn match_host(criterion: &mut Criterion) {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/data/pack");
    let files = pack::PackFiles::open(Path::new(dir));
    let files = files.unwrap_or_else(|error| panic!("the bundled pack: {error}"));
    let pack = pack::read(&files, &pack::Rules::default())
        .unwrap_or_else(|error| panic!("the bundled pack: {error}"));
    let index = MatchIndex::build(pack.aliases.clone(), (0..).zip(&pack.advisories));
    let host = host(&pack);
    assert_eq!(host.len(), 500);
    criterion.bench_function("match a host of 500 packages", |bencher| {
        bencher.iter(|| {
            let affected = |component| {
                index
                    .affected(black_box(component))
                    .map_or(0, |hits| hits.intervals.len())
            };
            host.iter().map(affected).sum::<usize>()
        });
    });
}

criterion_group!(benches, match_host);
criterion_main!(benches);
