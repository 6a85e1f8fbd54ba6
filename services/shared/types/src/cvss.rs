//! CVSS scores, computed from vectors of the versions 2.0, 3.0, 3.1 and 4.0.
//!
//! The `cvss` crate parses and computes. Here stands what it lacks: that a vector is complete, and which of its equations gives the
//! base score and which the overall one.

use cvss::{Cvss, v2, v3, v4};
use std::fmt;

/// Longer texts are refused; the longest vector, 4.0 with all metrics, has about 210 bytes.
pub const MAX_VECTOR_BYTES: usize = 400;

/// A score in tenths: 0.0 to 10.0 with exactly one decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Score(u8);

impl Score {
    fn new(value: f64) -> Self {
        // Every equation ends in a rounding to one decimal and stays within the scale.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Self((value * 10.0).round().clamp(0.0, 100.0) as u8)
    }

    /// 0.0 to 10.0.
    #[must_use]
    pub fn value(self) -> f64 {
        f64::from(self.0) / 10.0
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

/// What a vector comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scores {
    /// From the base metrics alone. Version 4.0 has one equation for whatever metrics a vector has, and so one score.
    pub base: Score,
    /// With the temporal and environmental metrics that the vector has; without any, the base score.
    pub overall: Score,
}

/// Not a CVSS vector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a CVSS vector: {text:?}: {reason}")]
pub struct InvalidVector {
    /// What was read, cut at 80 characters.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The scores of a vector (first.org/cvss: `v2/guide`, `v3.0`, `v3.1` and `v4.0/specification-document`).
///
/// A vector must have every base metric of its version, none twice and none unknown. Letters count as the specification has them.
pub fn scores(vector: &str) -> Result<Scores, InvalidVector> {
    parse(vector).map_err(|reason| InvalidVector {
        text: vector.chars().take(80).collect(),
        reason,
    })
}

fn parse(vector: &str) -> Result<Scores, String> {
    if vector.len() > MAX_VECTOR_BYTES {
        return Err(format!("longer than {MAX_VECTOR_BYTES} bytes"));
    }
    if let Some(metric) = vector.split('/').find(|metric| is_lower_case(metric)) {
        return Err(format!("lower case in {metric:?}"));
    }
    let (base, overall) = match vector
        .parse()
        .map_err(|error: cvss::Error| error.to_string())?
    {
        Cvss::CvssV20(vector) => second(&vector),
        Cvss::CvssV30(vector) | Cvss::CvssV31(vector) => third(&vector)?,
        Cvss::CvssV40(vector) => fourth(&vector),
        _ => return Err("unknown version".to_owned()),
    };
    Ok(Scores {
        base: Score::new(base),
        overall: Score::new(overall),
    })
}

/// The parser of the versions 3 and 4 takes letters of any case. Mixed ones are right in `Au` (2.0) and in `U:Green` (4.0), and
/// that of version 2 looks for itself.
fn is_lower_case(metric: &str) -> bool {
    !metric.starts_with("Au:")
        && !metric.starts_with("U:")
        && metric.contains(|c: char| c.is_ascii_lowercase())
}

fn second(vector: &v2::Vector) -> (f64, f64) {
    let environmental = vector.cdp.is_some()
        || vector.td.is_some()
        || vector.cr.is_some()
        || vector.ir.is_some()
        || vector.ar.is_some();
    let overall = if environmental {
        vector.environmental_score()
    } else {
        vector.temporal_score()
    };
    (vector.score().value(), overall.value())
}

/// The crate takes a vector without its base metrics.
fn third(vector: &v3::Vector) -> Result<(f64, f64), String> {
    let complete = vector.av.is_some()
        && vector.ac.is_some()
        && vector.pr.is_some()
        && vector.ui.is_some()
        && vector.s.is_some()
        && vector.c.is_some()
        && vector.i.is_some()
        && vector.a.is_some();
    if !complete {
        return Err("a base metric is missing".to_owned());
    }
    let environmental = vector.metrics().any(|(metric, value)| {
        !BASE_AND_TEMPORAL.contains(&metric.name()) && format!("{value:?}") != "NotDefined"
    });
    let overall = if environmental {
        vector.environmental_score()
    } else {
        vector.temporal_score()
    };
    Ok((vector.base_score().value(), overall.value()))
}

const BASE_AND_TEMPORAL: [&str; 11] = ["AV", "AC", "PR", "UI", "S", "C", "I", "A", "E", "RL", "RC"];

fn fourth(vector: &v4::Vector) -> (f64, f64) {
    let score = vector.score().value();
    (score, score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporal_and_environmental_metrics_change_the_overall_score_alone() {
        for (vector, base, overall) in [
            ("AV:N/AC:L/Au:N/C:P/I:P/A:P", "7.5", "7.5"),
            ("AV:N/AC:L/Au:N/C:N/I:N/A:C/E:F/RL:OF/RC:C", "7.8", "6.4"),
            (
                "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:U",
                "9.8",
                "9.0",
            ),
            (
                "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/MAV:P",
                "9.8",
                "6.8",
            ),
            (
                "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H/MAV:X",
                "10.0",
                "10.0",
            ),
            (
                "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/U:Red",
                "9.3",
                "9.3",
            ),
        ] {
            let scores = scores(vector).expect(vector);
            let shown = (scores.base.to_string(), scores.overall.to_string());
            assert_eq!(shown, (base.to_owned(), overall.to_owned()), "{vector}");
        }
    }

    #[test]
    fn incomplete_and_foreign_texts_are_refused() {
        let long = format!("AV:N/AC:L/Au:N/C:P/I:P/A:P{}", "/E:F".repeat(100));
        for wrong in [
            "",
            "high",
            "7.5",
            "CVSS:3.1/AV:N",
            "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H",
            "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/A:H",
            "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/",
            "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/XX:H",
            "CVSS:3.1/av:n/ac:l/pr:n/ui:n/s:u/c:h/i:h/a:h",
            "CVSS:3.2/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
            "AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
            "AV:N/AC:L/AU:N/C:P/I:P/A:P",
            "AV:N/AC:L/Au:N/C:P/I:P",
            "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H",
            &long,
        ] {
            assert!(scores(wrong).is_err(), "{wrong:?}");
        }
    }
}
