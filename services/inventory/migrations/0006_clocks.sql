-- How an organization ranks findings and which clocks run. Read with every evaluation; without a row the defaults hold.
create table inventory.scoring (
  tenant_id uuid not null primary key,
  -- Risk weights; their history is in risk_weights. Null: the defaults, version 0.
  weights jsonb,
  weights_version bigint not null default 0,
  -- The followed baselines, as policy handed them over. Null: nobody has decided.
  baselines jsonb,
  baselines_version bigint not null default 0,
  -- Grows with each change of either.
  version bigint not null,
  -- Some hosts are still ranked by an older version.
  stale boolean not null
);

create table inventory.risk_weights (
  tenant_id uuid not null,
  version bigint not null,
  weights jsonb not null,
  changed_at timestamptz not null,
  changed_by jsonb not null,
  primary key (tenant_id, version)
);

-- The date that a rule demands, for filters and order; null: none, or with the next upgrade.
alter table inventory.exposures add column due_at timestamptz;
-- {"due_at": …, "baseline": …, "standard": …, "reason": …, "forensic_triage": …}
alter table inventory.exposures add column due jsonb;
create index exposures_due on inventory.exposures (tenant_id, (coalesce(due_at, 'infinity'::timestamptz)), id) where closed_at is null;

-- What is open gets its date with the next evaluation.
update inventory.feed_state set epoch = epoch + 1 where epoch > 0;
