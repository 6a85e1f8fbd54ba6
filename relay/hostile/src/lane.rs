//! A relay with its hosts, one mutation after the other.

use crate::capture::{Capture, MARK};
use crate::cloud::Cloud;
use crate::goods::{Goods, Held};
use crate::host::{Certified, FORGED, Host, certify};
use crate::plan::{Mutation, Phase};
use crate::relay::Relay;
use crate::verdict::{End, Verdict};
use anyhow::{Context as _, Result, ensure};
use netpatch_relay::DataDir;
use netpatch_relay::claim::Claim;
use netpatch_tunnel::Limits;
use netpatch_types::{Sha256, SharedClock, SystemClock};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

/// Hosts behind a relay.
const HOSTS: usize = 2;
/// Mutations after which its hosts are replaced by new ones: nothing of a run grows with its length.
const RENEW: u64 = 1500;
/// A mutation that was not met by then is not met any more.
const MEET: Duration = Duration::from_millis(600);
/// A host that does not come through for so long is lost: a wrong effect.
const LOST: Duration = Duration::from_secs(20);
/// Then it is asked again.
const AGAIN: Duration = Duration::from_secs(2);

/// What all lanes share.
pub(crate) struct World {
    pub(crate) cloud: Cloud,
    pub(crate) goods: Arc<Goods>,
    pub(crate) capture: Arc<Capture>,
    pub(crate) verdict: Arc<Verdict>,
    pub(crate) limits: Limits,
}

/// A relay and its hosts.
pub(crate) struct Lane {
    world: Arc<World>,
    relay: Relay,
    hosts: Vec<Host>,
    done: u64,
    _folder: TempDir,
}

/// What a mutation was aimed at, to be waited for.
enum Aim {
    Order(Sha256),
    Membership(u64),
    Coming(String),
    Time(u64),
}

impl Lane {
    /// Claims a relay and enrols its hosts through it.
    pub(crate) async fn start(world: Arc<World>) -> Result<Self> {
        let clock: SharedClock = SystemClock::shared();
        let folder = tempfile::tempdir()?;
        let data = DataDir::open(folder.path())?;
        let played = world.cloud.played.clone();
        let claim = Claim {
            server: world.cloud.address.to_string().as_str().into(),
            platform_root: played.platform_root()?,
            data: &data,
            clock: &clock,
            limits: world.limits,
        };
        claim.by_token(played.claim_token()).await?;
        let relay = Relay::start(
            &data,
            world.goods.clone(),
            world.capture.clone(),
            clock.clone(),
            world.limits,
        )?;
        let mut lane = Self {
            world,
            relay,
            hosts: Vec::new(),
            done: 0,
            _folder: folder,
        };
        lane.renew().await?;
        Ok(lane)
    }

    async fn renew(&mut self) -> Result<()> {
        for host in self.hosts.drain(..) {
            self.world.cloud.played.forget(host.id);
        }
        for _ in 0..HOSTS {
            let certified = self.certify().await?;
            let played = &self.world.cloud.played;
            let limits = self.world.limits;
            let mut host = Host::start(certified, played, self.relay.address, limits).await?;
            played.renew_membership(host.id, MARK)?;
            self.world.cloud.wake(host.id).await;
            let is_up = host.until(LOST, |host| host.membership() == 1).await?;
            ensure!(
                is_up,
                "a host does not come up through a relay that does nothing to it"
            );
            self.hosts.push(host);
        }
        Ok(())
    }

    fn token(&self) -> String {
        let secret = format!("{MARK}-{}", Uuid::new_v4().simple());
        self.world.cloud.played.give_token(&secret);
        secret
    }

    async fn certify(&self) -> Result<Certified> {
        let (played, secret) = (&self.world.cloud.played, self.token());
        Ok(certify(played, self.relay.address, &secret, &self.world.limits).await?)
    }

    /// Does one mutation and waits until everybody is well again.
    pub(crate) async fn run(&mut self, mutation: Mutation) -> Result<()> {
        self.done += 1;
        if self.done.is_multiple_of(RENEW) {
            self.renew().await?;
        }
        let end = match mutation.phase {
            Phase::Enrolment => self.enrolment(mutation).await?,
            phase if phase.is_of_payloads() => self.payload(mutation).await?,
            _ => self.session(mutation).await?,
        };
        self.world.verdict.ended(&mutation, end);
        for number in self.relay.wrong_recipes() {
            let text = format!("mutation {number}: a recipe made another package");
            self.world.verdict.wrong(text);
        }
        Ok(())
    }

    async fn enrolment(&self, mutation: Mutation) -> Result<End> {
        let slot = self.relay.enrolling();
        slot.arm(mutation, true);
        let (played, secret) = (&self.world.cloud.played, self.token());
        let tried = certify(played, self.relay.address, &secret, &self.world.limits).await;
        let is_missed = slot.disarm();
        let end = match tried {
            Ok(_) if is_missed => End::Missed,
            Ok(_) => End::Delayed,
            Err(error) => {
                let reason = error.to_string();
                if reason.contains(FORGED) {
                    self.wrong(
                        &mutation,
                        "a host took a certificate that the cloud never made",
                    );
                }
                who_refused(&reason)
            }
        };
        if end != End::Delayed && mutation.number.is_multiple_of(4) && self.certify().await.is_err()
        {
            self.wrong(&mutation, "a host cannot enrol afterwards");
        }
        Ok(end)
    }

    async fn payload(&mut self, mutation: Mutation) -> Result<End> {
        let goods = self.world.goods.clone();
        let host = self.hosts.first().context("a host")?;
        let slot = self.relay.slot(host.id.0);
        slot.arm(mutation, false);
        let folder = host.folder.path();
        let tried = host.manager.install(&goods, folder, mutation.dice).await?;
        let is_missed = slot.disarm();
        let end = match tried {
            Ok(bytes) => {
                if bytes != goods.new.deb {
                    self.wrong(&mutation, "a wrong byte was given to the package manager");
                }
                if is_missed { End::Missed } else { End::Delayed }
            }
            Err(Held::Source) => End::BrokenOff,
            Err(Held::Contents | Held::Package) => End::Manager,
            Err(Held::Order) => End::Staged,
        };
        if end != End::Delayed && mutation.number.is_multiple_of(8) {
            let again = host.manager.install(&goods, folder, mutation.dice).await?;
            if again.as_ref() != Ok(&goods.new.deb) {
                self.wrong(&mutation, "a payload does not come afterwards");
            }
        }
        Ok(end)
    }

    async fn session(&mut self, mutation: Mutation) -> Result<End> {
        let at = usize::try_from(mutation.dice % HOSTS as u64)?;
        let world = self.world.clone();
        let host = self.hosts.get_mut(at).context("a host")?;
        let slot = self.relay.slot(host.id.0);
        let anew = matches!(
            mutation.phase,
            Phase::Opening | Phase::Answer | Phase::Handshake | Phase::Hello
        );
        if mutation.phase == Phase::Result {
            // There must be something to tell of.
            let order = order(&world, host).await?;
            host.until(LOST, |host| host.has_taken(order)).await?;
        }
        host.down = None;
        slot.arm(mutation, anew);
        if anew {
            // That the relay ends the session first is no refusal.
            host.until(MEET, |host| host.down.is_some()).await?;
            host.down = None;
        }
        let aim = match mutation.phase {
            Phase::Membership => {
                let version = world.cloud.played.renew_membership(host.id, MARK)?;
                world.cloud.wake(host.id).await;
                Aim::Membership(version)
            }
            Phase::CheckIn => {
                host.ask_freshness();
                host.check_in()?;
                Aim::Time(host.times)
            }
            Phase::Report => Aim::Coming(host.report(mutation.dice.is_multiple_of(3))?),
            Phase::Result => Aim::Coming(host.result()?),
            _ => Aim::Order(order(&world, host).await?),
        };
        let is_missed = !met(&slot, host).await?;
        let reached = came_through(&world, host, &aim).await?;
        if !reached {
            let text = format!(
                "{} does not come through afterwards: {:?}",
                host.id, host.down
            );
            self.wrong(&mutation, &text);
            return Ok(End::BrokenOff);
        }
        if slot.is_hurt() {
            // Whoever notices does it at the next record, or is cut off.
            host.until(MEET, |host| host.down.is_some()).await?;
        }
        Ok(match &host.down {
            _ if is_missed => End::Missed,
            Some(reason) => who_refused(reason),
            None => End::Delayed,
        })
    }

    /// Every host answers once more, and what it is sent comes.
    pub(crate) async fn is_well(&mut self) -> Result<bool> {
        for host in &mut self.hosts {
            let aim = Aim::Order(order(&self.world, host).await?);
            if !came_through(&self.world, host, &aim).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn wrong(&self, mutation: &Mutation, what: &str) {
        let text = format!("mutation {}: {what} ({mutation:?})", mutation.number);
        self.world.verdict.wrong(text);
    }
}

async fn order(world: &World, host: &Host) -> Result<Sha256> {
    let name = format!("{MARK}-package");
    let order = world.cloud.played.order(host.id, host.deployment, &name)?;
    world.cloud.wake(host.id).await;
    Ok(order)
}

/// Gives the mutation something to meet until it has met it.
async fn met(slot: &crate::slot::Slot, host: &mut Host) -> Result<bool> {
    for _ in 0..3 {
        if host.until(MEET / 6, |_| !slot.is_armed()).await? {
            return Ok(true);
        }
        host.check_in()?;
    }
    host.until(MEET / 2, |_| !slot.is_armed()).await?;
    Ok(!slot.disarm())
}

/// Waits until what was aimed at has come.
async fn came_through(world: &World, host: &mut Host, aim: &Aim) -> Result<bool> {
    let played = world.cloud.played.clone();
    let tries = LOST.as_millis() / AGAIN.as_millis();
    for attempt in 0..tries {
        if attempt > 0 {
            world.verdict.was_late();
            world.cloud.wake(host.id).await;
        }
        if attempt > 0 || (matches!(aim, Aim::Time(_)) && host.down.is_some()) {
            host.check_in()?;
        }
        let well = host.until(AGAIN, |host| match aim {
            Aim::Order(order) => host.has_taken(*order),
            Aim::Membership(version) => host.membership() >= *version,
            Aim::Coming(what) => played.has_come(host.id, what),
            Aim::Time(times) => host.times > *times,
        });
        if well.await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Who noticed, by what the host heard last.
fn who_refused(reason: &str) -> End {
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if says(&[
        "reset by peer",
        "stopped by peer",
        "end of file",
        "eof",
        "CloseNotify",
        "took longer",
    ]) {
        End::BrokenOff
    } else if says(&["fatal alert", "refused", "(code", "ended"]) {
        End::Edge
    } else {
        End::Host
    }
}
