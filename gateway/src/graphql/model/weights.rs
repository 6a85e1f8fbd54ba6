//! Risk: our number with its arithmetic, and the weights by which an organization counts.

use super::{Actor, RiskInput};
use crate::graphql::DateTime;
use crate::graphql::connection::int;
use async_graphql::{InputObject, SimpleObject};
use netpatch_inventory_api as inventory;
use netpatch_types::ServiceError;

/// Our number for what to do first, with its arithmetic.
#[derive(Clone, SimpleObject)]
pub struct Risk {
    /// 0–100: the sum of the terms' points.
    pub score: f64,
    /// How it came about.
    pub terms: Vec<RiskTerm>,
    /// Inputs that nobody has given.
    pub missing: Vec<String>,
    /// By which version of the organization's weights; 0: the defaults.
    pub weights_version: i32,
}

/// One line of the arithmetic.
#[derive(Clone, SimpleObject)]
pub struct RiskTerm {
    /// What counts, as a word.
    pub name: String,
    /// What counts.
    pub kind: RiskInput,
    /// The input, as a person reads it.
    pub input: String,
    /// Points it adds.
    pub points: f64,
    /// Most points that it could add.
    pub weight: i32,
    /// Nobody has given the input: an ordinary one counts.
    pub is_assumed: bool,
}

impl From<inventory::Risk> for Risk {
    fn from(risk: inventory::Risk) -> Self {
        let term = |term: inventory::RiskTerm| RiskTerm {
            name: term.name.as_str().to_owned(),
            kind: term.name.into(),
            input: term.input,
            points: term.points,
            weight: int(term.weight),
            is_assumed: term.assumed,
        };
        Self {
            score: risk.score,
            terms: risk.terms.into_iter().map(term).collect(),
            missing: risk.missing,
            weights_version: int(risk.weights_version),
        }
    }
}

/// How many points each input of the risk can add; they add up to 100.
#[derive(Clone, SimpleObject)]
pub struct RiskWeights {
    /// 0: the defaults, nobody has changed them.
    pub version: i32,
    /// `ifMatch` of a change.
    pub etag: String,
    /// In the order of the arithmetic.
    pub weights: Vec<RiskWeight>,
    /// Since when.
    pub changed_at: Option<DateTime>,
    /// By whom.
    pub changed_by: Option<Actor>,
}

/// How many points one input of the risk can add.
#[derive(Clone, SimpleObject)]
pub struct RiskWeight {
    /// What counts.
    pub kind: RiskInput,
    /// Most points.
    pub points: i32,
}

/// How many points one input of the risk can add.
#[derive(Clone, InputObject)]
pub struct RiskWeightInput {
    /// What counts.
    pub kind: RiskInput,
    /// Most points, 0 to 100.
    pub points: i32,
}

impl From<inventory::RiskWeightsHeld> for RiskWeights {
    fn from(held: inventory::RiskWeightsHeld) -> Self {
        let weight = |kind| RiskWeight {
            kind: RiskInput::from(kind),
            points: int(held.weights.of(kind)),
        };
        Self {
            version: int(held.version),
            etag: held.version.to_string(),
            weights: inventory::RiskInput::ALL.into_iter().map(weight).collect(),
            changed_at: held.changed_at.map(DateTime),
            changed_by: held.changed_by.as_ref().map(Actor::from),
        }
    }
}

/// Every input exactly once.
pub(crate) fn read_weights(
    given: Vec<RiskWeightInput>,
) -> Result<inventory::RiskWeights, ServiceError> {
    let points = |kind: inventory::RiskInput| {
        let mut named = given
            .iter()
            .filter(|weight| inventory::RiskInput::from(weight.kind) == kind);
        match (named.next(), named.next()) {
            (Some(weight), None) => u32::try_from(weight.points)
                .ok()
                .filter(|points| *points <= 100)
                .ok_or_else(|| {
                    ServiceError::invalid(
                        "weights",
                        format!("the points of {} are 0 to 100", kind.as_str()),
                    )
                }),
            (None, _) => Err(ServiceError::invalid(
                "weights",
                format!("say how many points {} can add", kind.as_str()),
            )),
            (Some(_), Some(_)) => Err(ServiceError::invalid(
                "weights",
                format!("{} is named twice", kind.as_str()),
            )),
        }
    };
    use inventory::RiskInput::*;
    Ok(inventory::RiskWeights {
        kev: points(Kev)?,
        ransomware: points(Ransomware)?,
        epss: points(Epss)?,
        cvss: points(Cvss)?,
        ssvc: points(Ssvc)?,
        exposure: points(Exposure)?,
        criticality: points(Criticality)?,
    })
}
