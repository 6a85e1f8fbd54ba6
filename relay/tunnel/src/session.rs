//! An agent's session that outlives its carriers: connects, resumes, fails over, returns to the preferred carrier.
//!
//! One task owns the carrier; it ends when the [`SessionClient`] is dropped. Counted messages are kept until the edge
//! acknowledges them and are sent again on the next carrier. The order of the candidates is the preference; on a
//! lesser one the better ones are tried from time to time.

use crate::candidate::{Candidate, Carrier, CarrierKind, Credentials};
use crate::identity::Identity;
use crate::reach::{first_success, jitter};
use crate::silence::Watch;
use crate::tls::PlatformTrust;
use crate::{Limits, TunnelError, within};
use netpatch_protocol::numbered::NumberError;
use netpatch_protocol::session::{
    AgentMessage, EdgeMessage, Hello, Welcome, agent_message, edge_message,
};
use netpatch_protocol::{Numbered, Received};
use netpatch_types::SharedClock;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// How a session connects.
pub struct SessionOptions {
    /// Ways to the edge, preferred first.
    pub candidates: Vec<Candidate>,
    /// The host's certificate and key.
    pub identity: Identity,
    /// The pinned platform roots.
    pub trust: PlatformTrust,
    /// For TLS: never behind the build or the last time that the edge signed.
    pub clock: SharedClock,
    /// Bounds.
    pub limits: Limits,
    /// First wait after a carrier broke or none could be connected: up to this, at random. It doubles with each failure, a third of it
    /// certain and the rest at random.
    pub backoff_first: Duration,
    /// Longest wait.
    pub backoff_longest: Duration,
    /// How often better candidates are tried while on a lesser one.
    pub probe_every: Duration,
    /// Most messages that wait for an acknowledgement.
    pub outbox: usize,
}

impl SessionOptions {
    /// The usual times.
    #[must_use]
    pub fn new(
        candidates: Vec<Candidate>,
        identity: Identity,
        trust: PlatformTrust,
        clock: SharedClock,
    ) -> Self {
        Self {
            candidates,
            identity,
            trust,
            clock,
            limits: Limits::default(),
            backoff_first: Duration::from_secs(1),
            backoff_longest: Duration::from_secs(60),
            probe_every: Duration::from_secs(60),
            outbox: 10_000,
        }
    }
}

/// What happens to a session.
#[derive(Debug)]
pub enum SessionEvent {
    /// A carrier is up and the edge has welcomed the agent. What was unacknowledged has been sent again.
    Up {
        /// Which kind of carrier.
        carrier: CarrierKind,
        /// The edge's welcome.
        welcome: Welcome,
    },
    /// The carrier is gone; the next one is being looked for.
    Down {
        /// Why.
        reason: String,
    },
    /// A message, each once. If its number is not 0, call [`SessionHandle::durable`] when its effect is durable.
    Message(EdgeMessage),
}

/// The session. Dropping it ends it.
pub struct SessionClient {
    handle: SessionHandle,
    events: mpsc::Receiver<SessionEvent>,
    _task: AbortOnDropHandle<()>,
}

/// Sends on a session; clones share it.
#[derive(Clone)]
pub struct SessionHandle {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    wake: Notify,
}

struct State {
    numbered: Numbered<AgentMessage>,
    /// Sent once and only on the carrier that is up.
    uncounted: VecDeque<AgentMessage>,
    up: bool,
}

/// Uncounted messages beyond this push out the oldest: they are heartbeats and the like, worth something only now.
const UNCOUNTED: usize = 64;
const EVENTS: usize = 256;
/// A peer that takes nothing for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// A carrier that lived this long was a good one: the next wait starts small again.
const LIVED: Duration = Duration::from_secs(10);
/// Why a carrier that works is left.
const BETTER: &str = "a better carrier is up";
/// Why one is left before it has ended.
const SILENT: &str = "nothing comes through any more; another carrier is up";

impl SessionClient {
    /// Starts to connect. `hello` makes the first message of each carrier, with the resume id to put in it; it is
    /// called once for each carrier, so that each carries a new counter.
    pub fn connect(
        options: SessionOptions,
        hello: impl FnMut(Vec<u8>) -> Hello + Send + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                numbered: Numbered::new(Vec::new(), options.outbox),
                uncounted: VecDeque::new(),
                up: false,
            }),
            wake: Notify::new(),
        });
        let (sender, events) = mpsc::channel(EVENTS);
        let task = Task {
            options,
            shared: shared.clone(),
            events: sender,
        };
        Self {
            handle: SessionHandle { shared },
            events,
            _task: AbortOnDropHandle::new(tokio::spawn(task.run(Box::new(hello)))),
        }
    }

    /// What happens next. Cancelling loses nothing.
    pub async fn next(&mut self) -> Option<SessionEvent> {
        self.events.recv().await
    }

    /// For sending from anywhere.
    #[must_use]
    pub fn handle(&self) -> SessionHandle {
        self.handle.clone()
    }
}

impl SessionHandle {
    /// Sends a message until the edge acknowledges it, over as many carriers as it takes; its number.
    pub fn send(&self, body: agent_message::Body) -> Result<u64, NumberError> {
        let sent = self.state().numbered.send(AgentMessage {
            body: Some(body),
            ..AgentMessage::default()
        })?;
        self.shared.wake.notify_one();
        Ok(sent.number)
    }

    /// Sends a message on the carrier that is up; dropped when there is none. For heartbeats and requests.
    pub fn send_uncounted(&self, body: agent_message::Body) {
        let mut state = self.state();
        if state.up {
            if state.uncounted.len() >= UNCOUNTED {
                state.uncounted.pop_front();
            }
            state.uncounted.push_back(AgentMessage {
                body: Some(body),
                ..AgentMessage::default()
            });
        }
        drop(state);
        self.shared.wake.notify_one();
    }

    /// The effect of a received message is durable; the next message acknowledges it.
    pub fn durable(&self, number: u64) {
        self.state().numbered.durable(number);
    }

    /// How many counted messages wait for the edge's acknowledgement.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.state().numbered.waiting()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Task {
    options: SessionOptions,
    shared: Arc<Shared>,
    events: mpsc::Sender<SessionEvent>,
}

type MakeHello = Box<dyn FnMut(Vec<u8>) -> Hello + Send>;

/// Why a carrier was left.
enum Left {
    Broken(TunnelError),
    For(&'static str, usize, Box<Carrier>),
    Abandoned,
}

impl Task {
    async fn run(self, mut hello: MakeHello) {
        let mut wait = self.options.backoff_first;
        let mut ready = None;
        loop {
            let connected = match ready.take() {
                Some(better) => Ok(better),
                None => first_of(&self.options, self.options.candidates.len()).await,
            };
            let started = Instant::now();
            let left = match connected {
                Ok((index, carrier)) => self.carry(index, *carrier, &mut hello).await,
                Err(error) => Left::Broken(error),
            };
            self.shared.state().up = false;
            let reason = match left {
                Left::Abandoned => return,
                Left::For(reason, index, carrier) => {
                    ready = Some((index, carrier));
                    reason.to_owned()
                }
                Left::Broken(error) => error.to_string(),
            };
            if self
                .events
                .send(SessionEvent::Down { reason })
                .await
                .is_err()
            {
                return;
            }
            if ready.is_none() {
                if started.elapsed() > LIVED {
                    wait = self.options.backoff_first;
                }
                let first = wait == self.options.backoff_first;
                let least = if first { Duration::ZERO } else { wait / 2 };
                tokio::time::sleep(least + jitter(wait)).await;
                wait = (wait * 2).min(self.options.backoff_longest);
            }
        }
    }

    /// Runs one carrier from hello to its end.
    async fn carry(&self, index: usize, mut carrier: Carrier, hello: &mut MakeHello) -> Left {
        let kind = carrier.kind;
        let mut written = 0;
        let limit = self.options.limits.handshake_timeout;
        let welcome = within(limit, "the edge's welcome", self.greet(&mut carrier, hello)).await;
        let let_in_after = carrier.begun.elapsed();
        let begun = match welcome {
            Ok(welcome) => {
                self.shared.state().up = true;
                let up = SessionEvent::Up {
                    carrier: kind,
                    welcome,
                };
                if self.events.send(up).await.is_err() {
                    return Left::Abandoned;
                }
                Ok(())
            }
            Err(error) => Err(error),
        };
        if let Err(error) = begun {
            return Left::Broken(error);
        }
        let better = probe(&self.options, index);
        let watch = carrier.watch.clone();
        let watch = watch.map(|watch| watch.let_in_after(let_in_after));
        let other = other_way(&self.options, index, watch);
        tokio::pin!(better, other);
        tokio::select! {
            step = self.write_pending(&mut carrier, &mut written) => if let Err(error) = step {
                return Left::Broken(error);
            },
            (index, carrier) = &mut other => return Left::For(SILENT, index, carrier),
        }
        loop {
            let step = {
                let receiving = async {
                    let permit = self.events.reserve().await;
                    (
                        permit,
                        carrier.messages.reader.receive::<EdgeMessage>().await,
                    )
                };
                tokio::select! {
                    (permit, received) = receiving => match (permit, received) {
                        (Err(_), _) => return Left::Abandoned,
                        (Ok(permit), Ok(Some(message))) => self.take(message).map(|new| {
                            if let Some(message) = new {
                                permit.send(SessionEvent::Message(message));
                            }
                        }),
                        (Ok(_), Ok(None)) => Err(TunnelError::Ended("by the edge".into())),
                        (Ok(_), Err(error)) => Err(error),
                    },
                    () = self.shared.wake.notified() => Ok(()),
                    (index, carrier) = &mut better => return Left::For(BETTER, index, carrier),
                    (index, carrier) = &mut other => return Left::For(SILENT, index, carrier),
                }
            };
            if let Err(error) = step {
                return Left::Broken(error);
            }
            // A write that is cut in the middle does no harm: the carrier is left.
            tokio::select! {
                step = self.write_pending(&mut carrier, &mut written) => if let Err(error) = step {
                    return Left::Broken(error);
                },
                (index, carrier) = &mut other => return Left::For(SILENT, index, carrier),
            }
        }
    }

    /// Hello and welcome; settles whether the edge still knows the session.
    async fn greet(
        &self,
        carrier: &mut Carrier,
        hello: &mut MakeHello,
    ) -> Result<Welcome, TunnelError> {
        let resume_id = self.shared.state().numbered.resume_id().to_vec();
        let hello = hello(resume_id.clone());
        let message = self.shared.state().numbered.send_uncounted(AgentMessage {
            body: Some(agent_message::Body::Hello(hello)),
            ..AgentMessage::default()
        });
        carrier.messages.send(&message).await?;
        let Some(answer) = carrier.messages.receive::<EdgeMessage>().await? else {
            return Err(TunnelError::Ended("instead of a welcome".into()));
        };
        match answer.body {
            Some(edge_message::Body::Welcome(welcome)) => {
                let mut state = self.shared.state();
                if resume_id.is_empty() || welcome.resume_id != resume_id {
                    state.numbered.restart(welcome.resume_id.clone());
                }
                let taken = state.numbered.receive(0, answer.ack);
                taken.map_err(|error| TunnelError::Unexpected(error.to_string()))?;
                Ok(welcome)
            }
            Some(edge_message::Body::Error(error)) => Err(TunnelError::Session {
                code: error.code,
                message: error.message,
            }),
            _ => Err(TunnelError::Unexpected("no welcome".into())),
        }
    }

    /// Takes number and acknowledgement; `None` for a message that was handled before.
    fn take(&self, message: EdgeMessage) -> Result<Option<EdgeMessage>, TunnelError> {
        let mut state = self.shared.state();
        match state.numbered.receive(message.number, message.ack) {
            Ok(Received::New) => Ok(Some(message)),
            Ok(Received::Duplicate) => Ok(None),
            Err(error) => Err(TunnelError::Unexpected(error.to_string())),
        }
    }

    /// Writes what this carrier has not carried yet.
    async fn write_pending(
        &self,
        carrier: &mut Carrier,
        written: &mut u64,
    ) -> Result<(), TunnelError> {
        loop {
            let next = {
                let mut state = self.shared.state();
                let counted = state.numbered.after(*written);
                counted.or_else(|| {
                    let message = state.uncounted.pop_front()?;
                    Some(state.numbered.send_uncounted(message))
                })
            };
            let Some(message) = next else {
                return Ok(());
            };
            let sending = carrier.messages.send(&message);
            within(WRITE_TIMEOUT, "sending to the edge", sending).await?;
            *written = (*written).max(message.number);
        }
    }
}

/// The first of the first `count` candidates that connects. The next one starts beside one that stays silent.
async fn first_of(
    options: &SessionOptions,
    count: usize,
) -> Result<(usize, Box<Carrier>), TunnelError> {
    let candidates = options.candidates.iter().take(count).enumerate();
    first_success_of(options, candidates, Duration::MAX).await
}

/// The first of these that connects, with this patience for each at most.
async fn first_success_of(
    options: &SessionOptions,
    candidates: impl Iterator<Item = (usize, &Candidate)>,
    patience: Duration,
) -> Result<(usize, Box<Carrier>), TunnelError> {
    let with = Credentials {
        identity: &options.identity,
        trust: &options.trust,
        clock: &options.clock,
        limits: &options.limits,
    };
    let limit = options.limits.handshake_timeout * 3;
    let attempts = candidates.map(|(index, candidate)| {
        let with = &with;
        let attempt = Box::pin(async move {
            let connecting = within(limit, "connecting a carrier", candidate.connect(with));
            match connecting.await {
                Ok(carrier) => Ok((index, Box::new(carrier))),
                Err(error) => {
                    tracing::debug!(kind = ?candidate.kind(), %error, "carrier cannot be connected");
                    Err(error)
                }
            }
        });
        (candidate.patience().min(patience), attempt)
    });
    first_success(attempts.collect()).await
}

/// Ends when nothing comes through the current carrier and another one is connected: another candidate, or the same one anew, for
/// there may be more than one edge behind its name.
async fn other_way(
    options: &SessionOptions,
    current: usize,
    watch: Option<Watch>,
) -> (usize, Box<Carrier>) {
    let Some(watch) = watch else {
        return std::future::pending().await;
    };
    let others = || {
        let all = options.candidates.iter().enumerate();
        let (same, others): (Vec<_>, Vec<_>) = all.partition(|(index, _)| *index == current);
        let same = same
            .into_iter()
            .filter(|(_, candidate)| candidate.connects_anew());
        // All at once: the fewest round trips win.
        first_success_of(options, others.into_iter().chain(same), Duration::ZERO)
    };
    watch.instead(others).await
}

/// Ends when a candidate better than `current` is connected.
async fn probe(options: &SessionOptions, current: usize) -> (usize, Box<Carrier>) {
    loop {
        if current == 0 {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(options.probe_every).await;
        if let Ok(better) = first_of(options, current).await {
            return better;
        }
    }
}
