-- The files of every feed as they came: those that the held epoch was made of ('held'), and those that wait for a person ('waiting').
create table inventory.feed_files (
  state text not null check (state in ('held', 'waiting')),
  feed text not null,
  path text not null,
  digest bytea not null,
  bytes bytea not null,
  primary key (state, feed, path)
);

-- Grows with the held files, so that two imports notice each other.
alter table inventory.feed_state add column revision bigint not null default 0;

alter table inventory.feeds
  -- Absent: nothing of it was imported yet.
  alter column imported_at drop not null,
  -- The epoch with which it changed last.
  add column epoch bigint not null default 0,
  -- Where its files came from: a pack, or an address.
  add column source text,
  -- When its source was asked last with success, and what the source called its content.
  add column fetched_at timestamptz,
  add column etag text,
  add column last_modified text,
  -- Why newer files of it wait for a person; null when none do.
  add column waiting_for text,
  add column waiting_since timestamptz,
  add column waiting_records bigint,
  -- What the last canary found.
  add column canary jsonb;

-- The epoch that an organization was told of.
create table inventory.feed_told (
  tenant_id uuid not null,
  epoch bigint not null,
  primary key (tenant_id)
);
