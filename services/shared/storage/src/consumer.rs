//! Reads another service's events and hands them on, at least once, in order.
//!
//! Invariant: the cursor is saved after the events before it were handled, never before. Handlers are idempotent.

use crate::outbox::{CONSUMERS, MAX_PAGE};
use crate::roles::identifier;
use crate::transaction::WorkerTx;
use crate::{Bus, Database, StorageError, StorageResult, policies};
use futures::{FutureExt as _, StreamExt as _};
use netpatch_types::{Cursor, EventEnvelope, EventPage, ServiceResult};
use sea_orm::FromQueryResult;
use std::future::Future;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The table `<schema>.cursors`, for a service that consumes events. List it as
/// `other <schema>.cursors worker=select,insert,update`.
#[must_use]
pub fn cursor_table_sql(schema: &str) -> Vec<String> {
    let mut sql = vec![format!(
        "create table {schema}.cursors (source text primary key, epoch bigint not null, xid text not null, id bigint not null)"
    )];
    sql.extend(policies::protect_other_table(schema, "cursors"));
    sql.extend(policies::worker_may(
        schema,
        "cursors",
        "select, insert, update",
    ));
    sql
}

#[derive(FromQueryResult)]
struct CursorRow {
    epoch: i64,
    xid: String,
    id: i64,
}

/// How far `schema` has read `source`; the beginning if never.
pub async fn load_cursor(db: &Database, schema: &str, source: &str) -> StorageResult<Cursor> {
    let tx = db.worker_tx().await?;
    let cursor = cursor_in(&tx, schema, source).await?;
    tx.rollback().await?;
    Ok(cursor.unwrap_or_default())
}

pub(crate) async fn cursor_in(
    tx: &WorkerTx,
    schema: &str,
    source: &str,
) -> StorageResult<Option<Cursor>> {
    let sql = format!(
        "select epoch, xid, id from {}.cursors where source = $1",
        identifier(schema)?
    );
    let row: Option<CursorRow> = tx.one(&sql, [source.into()]).await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let xid = row.xid.parse().map_err(|_| StorageError::Encoding {
        what: "a cursor",
        reason: row.xid,
    })?;
    Ok(Some(Cursor {
        epoch: row.epoch,
        xid,
        id: row.id,
    }))
}

/// Remembers how far `schema` has read `source`.
pub async fn save_cursor(
    db: &Database,
    schema: &str,
    source: &str,
    cursor: Cursor,
) -> StorageResult<()> {
    let sql = format!(
        "insert into {}.cursors (source, epoch, xid, id) values ($1, $2, $3, $4) \
         on conflict (source) do update set epoch = excluded.epoch, xid = excluded.xid, id = excluded.id",
        identifier(schema)?
    );
    let tx = db.worker_tx().await?;
    tx.execute(
        &sql,
        [
            source.into(),
            cursor.epoch.into(),
            cursor.xid.to_string().into(),
            cursor.id.into(),
        ],
    )
    .await?;
    tx.commit().await
}

/// How long to follow.
#[derive(Clone, Debug)]
pub enum Until {
    /// What is there now is handled: for tests and tools, and its failure is told.
    Empty,
    /// Told to stop: failures are logged and tried again.
    Stopped(CancellationToken),
}

/// A loop over another service's events.
#[derive(Clone, Debug)]
pub struct Consumer {
    schema: String,
    source: String,
    topic: String,
    poll: Duration,
    page: u32,
    unhurried: bool,
}

impl Consumer {
    /// Reads the events of `source` (any name, unique in the schema), keeps the cursor in `<schema>.cursors` and looks at once when
    /// `topic` hints. Without hints it looks every two seconds.
    #[must_use]
    pub fn new(schema: &str, source: &str, topic: &str) -> Self {
        Self {
            schema: schema.to_owned(),
            source: source.to_owned(),
            topic: topic.to_owned(),
            poll: Duration::from_secs(2),
            page: 200,
            unhurried: false,
        }
    }

    /// Reads the events of the schema `source`, which hints at `<source>.outbox`.
    #[must_use]
    pub fn of(schema: &str, source: &str) -> Self {
        Self::new(schema, source, &format!("{source}.outbox"))
    }

    /// Looks this often without a hint.
    #[must_use]
    pub fn poll_every(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }

    /// How many events are read at once, up to [`MAX_PAGE`].
    #[must_use]
    pub fn page_size(mut self, events: u32) -> Self {
        self.page = events.clamp(1, MAX_PAGE);
        self
    }

    /// A page with room to spare ends a look, and what came meanwhile waits for the next: many events cost few pages, where
    /// nobody waits for them.
    #[must_use]
    pub fn unhurried(mut self) -> Self {
        self.unhurried = true;
        self
    }

    /// Runs or drains, an event at a time; how many events were handled, if it drains.
    pub async fn follow<S, SF, H, HF>(
        &self,
        db: &Database,
        bus: &dyn Bus,
        until: Until,
        source: S,
        handle: H,
    ) -> ServiceResult<usize>
    where
        S: Fn(Cursor, u32) -> SF,
        SF: Future<Output = ServiceResult<EventPage>>,
        H: Fn(EventEnvelope) -> HF,
        HF: Future<Output = ServiceResult<()>>,
    {
        let hand_on = |events| one_by_one(&handle, events);
        self.follow_by(db, bus, until, &source, &hand_on).await
    }

    /// As [`Consumer::follow`], a page at a time, so that a page can be one transaction. A page that fails is handed on again event by
    /// event: what lies before a bad event is handled, and the bad one stops the consumer.
    pub async fn follow_pages<S, SF, H, HF>(
        &self,
        db: &Database,
        bus: &dyn Bus,
        until: Until,
        source: S,
        handle: H,
    ) -> ServiceResult<usize>
    where
        S: Fn(Cursor, u32) -> SF,
        SF: Future<Output = ServiceResult<EventPage>>,
        H: Fn(Vec<EventEnvelope>) -> HF,
        HF: Future<Output = ServiceResult<()>>,
    {
        let hand_on = |events| together(&handle, events);
        self.follow_by(db, bus, until, &source, &hand_on).await
    }

    async fn follow_by<S, SF, H, HF>(
        &self,
        db: &Database,
        bus: &dyn Bus,
        until: Until,
        source: &S,
        hand_on: &H,
    ) -> ServiceResult<usize>
    where
        S: Fn(Cursor, u32) -> SF,
        SF: Future<Output = ServiceResult<EventPage>>,
        H: Fn(Vec<EventEnvelope>) -> HF,
        HF: Future<Output = Handled>,
    {
        match until {
            Until::Empty => self.drain(db, source, hand_on).await,
            Until::Stopped(stop) => {
                self.run(db, bus, stop, source, hand_on).await;
                Ok(0)
            }
        }
    }

    /// Runs until `stop`. A failing source or handler is tried again with growing pauses, up to 30 s; the events before it stay handled.
    async fn run<S, SF, H, HF>(
        &self,
        db: &Database,
        bus: &dyn Bus,
        stop: CancellationToken,
        source: &S,
        hand_on: &H,
    ) where
        S: Fn(Cursor, u32) -> SF,
        SF: Future<Output = ServiceResult<EventPage>>,
        H: Fn(Vec<EventEnvelope>) -> HF,
        HF: Future<Output = Handled>,
    {
        if !self.is_listed() {
            tracing::error!(consumer = %self.schema, source = %self.source, "consumer is not listed: events may be pruned before it reads them");
        }
        let mut hints = bus.subscribe(&self.topic).await;
        let mut pause = Duration::from_millis(100);
        loop {
            // Whatever was hinted so far is seen by the reading that begins now.
            while hints.next().now_or_never().flatten().is_some() {}
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                outcome = self.drain(db, source, hand_on) => outcome,
            };
            let wait = match outcome {
                Ok(_) => {
                    pause = Duration::from_millis(100);
                    self.poll
                }
                Err(error) => {
                    tracing::warn!(consumer = %self.schema, source = %self.source, %error, "consuming events failed");
                    metrics::counter!("consumer_failures_total", "consumer" => self.schema.clone(), "source" => self.source.clone()).increment(1);
                    pause = (pause * 2).min(Duration::from_secs(30));
                    pause
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
                _ = hints.next(), if wait == self.poll => {}
            }
        }
    }

    /// Whether pruning waits for it.
    fn is_listed(&self) -> bool {
        let source = self.topic.strip_suffix(".outbox");
        CONSUMERS.iter().any(|reader| {
            Some(reader.source) == source
                && (reader.schema, reader.cursor) == (self.schema.as_str(), self.source.as_str())
        })
    }

    /// Handles what is there now; how many events.
    async fn drain<S, SF, H, HF>(
        &self,
        db: &Database,
        source: &S,
        hand_on: &H,
    ) -> ServiceResult<usize>
    where
        S: Fn(Cursor, u32) -> SF,
        SF: Future<Output = ServiceResult<EventPage>>,
        H: Fn(Vec<EventEnvelope>) -> HF,
        HF: Future<Output = Handled>,
    {
        let mut cursor = load_cursor(db, &self.schema, &self.source).await?;
        let mut handled = 0;
        loop {
            let page = source(cursor, self.page).await?;
            let before = cursor;
            let places: Vec<(Cursor, Uuid)> = page
                .events
                .iter()
                .map(|event| (event.cursor, event.id))
                .collect();
            let Handled(count, outcome) = hand_on(page.events).await;
            handled += count;
            match &outcome {
                Ok(()) => cursor = page.next,
                Err(error) => {
                    if let Some((_, id)) = places.get(count) {
                        tracing::warn!(event = %id, consumer = %self.schema, %error, "handling an event failed");
                    }
                    let last = count.checked_sub(1).and_then(|last| places.get(last));
                    cursor = last.map_or(before, |(place, _)| *place);
                }
            }
            if cursor != before {
                save_cursor(db, &self.schema, &self.source, cursor).await?;
            }
            outcome?;
            let is_full = places.len() >= self.page as usize;
            // Read again: an empty page is the only sign that nothing is left.
            if cursor == before || (self.unhurried && !is_full) {
                return Ok(handled);
            }
        }
    }
}

/// How many events at the front of a page are handled, and what became of the next.
struct Handled(usize, ServiceResult<()>);

async fn one_by_one<H, HF>(handle: &H, events: Vec<EventEnvelope>) -> Handled
where
    H: Fn(EventEnvelope) -> HF,
    HF: Future<Output = ServiceResult<()>>,
{
    let count = events.len();
    for (before, event) in events.into_iter().enumerate() {
        if let Err(error) = handle(event).await {
            return Handled(before, Err(error));
        }
    }
    Handled(count, Ok(()))
}

async fn together<H, HF>(handle: &H, events: Vec<EventEnvelope>) -> Handled
where
    H: Fn(Vec<EventEnvelope>) -> HF,
    HF: Future<Output = ServiceResult<()>>,
{
    let count = events.len();
    if count == 0 {
        return Handled(0, Ok(()));
    }
    match handle(events.clone()).await {
        Err(error) if count == 1 => Handled(0, Err(error)),
        Err(_) => one_by_one(&|event| handle(vec![event]), events).await,
        Ok(()) => Handled(count, Ok(())),
    }
}
