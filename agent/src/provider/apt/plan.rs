//! The plan of a transaction: apt's own answer to "install exactly these versions".

use super::simulate::{Action, Payload};
use super::{Apt, apt_name, diagnose};
use crate::provider::PlanError;
use netpatch_agent_core::plan::{Change, Plan, PlanItem, Wanted};
use netpatch_agent_core::{Failure, FailureCause, Refusal, Refused};

impl Apt {
    pub(super) async fn make_plan(&self, wanted: &[Wanted]) -> Result<Plan, PlanError> {
        if wanted.is_empty() {
            return Ok(Plan::default());
        }
        let status = self.status()?;
        if let Some(held) = wanted.iter().find(|item| {
            status
                .get(&item.name, &item.arch)
                .is_some_and(super::status::Package::is_held)
        }) {
            return Err(
                Refused::new(Refusal::Hold, format!("{} is held on this host", held.name)).into(),
            );
        }
        let native = self.native_arch().await?;
        let arguments = install_arguments(wanted, &native);
        let output = self.simulation_output(&arguments).await?;
        if !output.ok() {
            return Err(refused_or_failed(&output.text(), output.code));
        }
        let simulation = super::simulate::parse(&output.stdout);
        let payloads = self.payloads_of(&arguments).await?;
        let items: Result<Vec<PlanItem>, Failure> = simulation
            .actions
            .iter()
            .map(|action| item(action, &payloads, &native))
            .collect();
        let plan = Plan::new(items?);
        for item in &plan.items {
            if status
                .get(&item.name, &item.arch)
                .is_some_and(super::status::Package::is_held)
            {
                return Err(Refused::new(
                    Refusal::Hold,
                    format!("{} is held on this host", item.name),
                )
                .into());
            }
        }
        Ok(plan)
    }
}

/// `install name=version …`
pub(super) fn install_arguments(wanted: &[Wanted], native: &str) -> Vec<String> {
    std::iter::once("install".to_owned())
        .chain(wanted.iter().map(|item| {
            format!(
                "{}={}",
                apt_name(&item.name, &item.arch, native),
                item.version
            )
        }))
        .collect()
}

/// A plan's item from an action and its payload.
pub(super) fn item(
    action: &Action,
    payloads: &[Payload],
    native: &str,
) -> Result<PlanItem, Failure> {
    let arch = if action.arch.is_empty() {
        native.to_owned()
    } else {
        action.arch.clone()
    };
    let Some(version) = &action.after else {
        return Ok(PlanItem {
            name: action.name.clone(),
            arch,
            change: Change::Remove,
            before: action.before.clone(),
            version: None,
            sha256: None,
            size_bytes: 0,
            file_name: String::new(),
        });
    };
    let payload = payloads
        .iter()
        .find(|payload| {
            payload.name == action.name && &payload.version == version && payload.arch == arch
        })
        .ok_or_else(|| {
            let line = format!(
                "no index names hash and size of {}:{arch} {version}",
                action.name
            );
            Failure::new(FailureCause::SignatureInvalid, [line])
        })?;
    Ok(PlanItem {
        name: action.name.clone(),
        arch,
        change: if action.before.is_some() {
            Change::Upgrade
        } else {
            Change::Install
        },
        before: action.before.clone(),
        version: Some(version.clone()),
        sha256: Some(payload.sha256),
        size_bytes: payload.size_bytes,
        file_name: payload.file_name.clone(),
    })
}

fn refused_or_failed(text: &str, code: Option<i32>) -> PlanError {
    let line = |pattern: &str| {
        text.lines()
            .find(|line| line.contains(pattern))
            .map(str::to_owned)
    };
    if let Some(line) = line("was not found") {
        return Refused::new(Refusal::Superseded, line).into();
    }
    if let Some(line) = line("Held packages were changed") {
        return Refused::new(Refusal::Hold, line).into();
    }
    diagnose::diagnose(text, code).into()
}
