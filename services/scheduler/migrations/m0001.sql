create table scheduler.deployments (
  tenant_id uuid not null,
  id uuid not null,
  name text not null,
  policy_id uuid not null,
  policy_digest bytea not null,
  group_id uuid,
  rollout jsonb not null,
  windows jsonb not null,
  patches jsonb not null,
  content bytea not null,
  approvals jsonb not null,
  status text not null,
  reason text not null default '',
  approval_id uuid,
  created_by jsonb not null,
  created_at timestamptz not null,
  started_at timestamptz,
  ended_at timestamptz,
  not_before timestamptz not null,
  not_after timestamptz not null,
  sequence bigint not null default 0,
  floor bigint not null default 1,
  etag bigint not null default 1,
  primary key (tenant_id, id)
);

create index deployments_live_worker on scheduler.deployments (status) where status in ('scheduled', 'running');

create index deployments_end_worker on scheduler.deployments (not_after);

-- Policies that may deploy by themselves, and when somebody last looked.
create table scheduler.automatic (
  tenant_id uuid not null,
  policy_id uuid not null,
  looked_at timestamptz,
  primary key (tenant_id, policy_id)
);

create table scheduler.waves (
  tenant_id uuid not null,
  id uuid not null,
  deployment_id uuid not null,
  ordinal integer not null,
  status text not null,
  reason text not null default '',
  low bytea not null,
  high bytea not null,
  total bigint not null,
  opened_at timestamptz,
  closing_at timestamptz,
  ended_at timestamptz,
  primary key (tenant_id, id),
  unique (tenant_id, deployment_id, ordinal),
  foreign key (tenant_id, deployment_id) references scheduler.deployments (tenant_id, id)
);

create table scheduler.documents (
  tenant_id uuid not null,
  digest bytea not null,
  deployment_id uuid not null,
  wave_id uuid,
  kind text not null check (kind in ('order', 'halt')),
  sequence bigint not null,
  low bytea not null,
  high bytea not null,
  envelope bytea not null,
  released boolean not null,
  not_after timestamptz not null,
  created_at timestamptz not null,
  primary key (tenant_id, digest),
  foreign key (tenant_id, deployment_id) references scheduler.deployments (tenant_id, id)
);

create index documents_of_deployment on scheduler.documents (tenant_id, deployment_id);
create index documents_live on scheduler.documents (tenant_id, not_after) where released;

create table scheduler.runs (
  tenant_id uuid not null,
  id uuid not null,
  deployment_id uuid not null,
  wave_id uuid not null,
  host_id uuid not null,
  sequence bigint not null,
  attempt integer not null,
  order_digest bytea not null,
  status text not null,
  confirmed boolean,
  error jsonb,
  step bigint not null default 0,
  started_at timestamptz not null,
  ended_at timestamptz,
  last_event_at timestamptz not null,
  bytes_from_relay bigint not null default 0,
  bytes_from_origin bigint not null default 0,
  result bytea,
  manifest bytea,
  primary key (tenant_id, id),
  unique (tenant_id, deployment_id, host_id, sequence, attempt),
  foreign key (tenant_id, wave_id) references scheduler.waves (tenant_id, id)
);

create index runs_of_wave on scheduler.runs (tenant_id, wave_id);
create index runs_open on scheduler.runs (tenant_id, deployment_id) where ended_at is null;
create index runs_unconfirmed on scheduler.runs (tenant_id, deployment_id) where status = 'succeeded' and confirmed is null;
create index runs_of_host on scheduler.runs (tenant_id, host_id, started_at);

create table scheduler.run_events (
  tenant_id uuid not null,
  run_id uuid not null,
  step bigint not null,
  status text not null,
  at timestamptz not null,
  message text not null,
  cause text not null,
  evidence jsonb not null,
  primary key (tenant_id, run_id, step),
  foreign key (tenant_id, run_id) references scheduler.runs (tenant_id, id)
);
