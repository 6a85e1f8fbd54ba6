//! Every published score.

use crate::vectors::{lines, read};
use netpatch_types::cvss::{Score, scores};

const FILES: [&str; 9] = [
    "first-v4.0-macrovectors.tsv",
    "random-v2.0.tsv",
    "random-v3.0.tsv",
    "random-v3.1.tsv",
    "random-v4.0.tsv",
    "redhat-v2.0.tsv",
    "redhat-v3.0.tsv",
    "redhat-v3.1.tsv",
    "redhat-v4.0.tsv",
];

/// The lines of Red Hat's file that leave scores out, with what they say.
const INCOMPLETE: [(&str, &str, &str); 3] = [
    // Temporal and environmental.
    (
        "AV:L/AC:M/Au:S/C:N/I:P/A:C/E:U/RL:OF/RC:UR/CDP:N/TD:L/CR:H/IR:H/AR:H\t3.5\t1.2",
        "",
        "1.2",
    ),
    // Base and temporal.
    (
        "AV:N/AC:M/Au:M/C:C/I:N/A:P/RL:W/RC:UC/CDP:LM/TD:M/CR:L/IR:L/AR:L\t6.4\t5.5",
        "6.4",
        "",
    ),
    ("AV:N/AC:L/Au:N/C:N/I:P/A:N\tNone\tNone", "", ""),
];

/// Whether one of the metrics is environmental and says something.
fn is_environmental(vector: &str) -> bool {
    vector.split('/').any(|metric| {
        let (name, value) = metric.split_once(':').expect("a metric has a value");
        let named = name.starts_with('M') || matches!(name, "CDP" | "TD" | "CR" | "IR" | "AR");
        named && value != "X"
    })
}

#[test]
fn every_published_score_is_computed() {
    let (mut count, mut different) = (0, Vec::new());
    for name in FILES {
        for line in lines(&read("cvss", name)) {
            count += 1;
            let fields: Vec<_> = line.split('\t').collect();
            let scores = scores(fields[0]).expect(line);
            let incomplete = INCOMPLETE.iter().find(|(known, _, _)| *known == line);
            let (base, overall) = match (incomplete, &fields[1..]) {
                (Some((_, base, overall)), _) => (*base, *overall),
                (None, [score] | [score, "" | "None"] | [score, "" | "None", "" | "None"]) => {
                    (*score, *score)
                }
                (None, [base, temporal, "" | "None"] | [base, temporal]) => (*base, *temporal),
                // Without environmental metrics its equation says nothing: in 3.1 it differs from the base's.
                (None, [base, temporal, _]) if !is_environmental(fields[0]) => (*base, *temporal),
                (None, [base, _, environmental]) => (*base, *environmental),
                _ => panic!("{line}"),
            };
            // FIRST's lines carry the severity besides.
            let overall = if name.contains("v4.0") { base } else { overall };
            let holds = |said: &str, score: Score| said.is_empty() || said == score.to_string();
            if !holds(base, scores.base) || !holds(overall, scores.overall) {
                different.push(format!(
                    "{name}: {line}: {} {}",
                    scores.base, scores.overall
                ));
            }
        }
    }
    assert!(
        different.is_empty(),
        "{} of {count}: {different:#?}",
        different.len()
    );
    assert_eq!(count, 13_279, "no vector was lost");
}

#[test]
fn disputed_roundings_are_one_of_the_two() {
    for line in lines(&read("cvss", "v4.0-rounding-disputed.tsv")) {
        let fields: Vec<_> = line.split('\t').collect();
        let score = scores(fields[0]).expect(line).overall.to_string();
        assert!(fields[1..].contains(&score.as_str()), "{line}: {score}");
    }
}
