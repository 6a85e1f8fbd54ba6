-- The ledger's head: next_sequence is given out when an entry is recorded, size grows when entries stand in the tree
-- under a signed checkpoint. salt hides people's ids in leaves; destroying it forgets them.
create table reporting.ledger_heads (
  tenant_id uuid primary key,
  next_sequence bigint not null default 0,
  size bigint not null default 0,
  root bytea not null,
  note text not null default '',
  salt bytea not null,
  check (size >= 0 and size <= next_sequence)
);

-- Entries are never changed: the app role may not.
create table reporting.ledger_entries (
  tenant_id uuid not null,
  sequence bigint not null,
  id uuid not null,
  event_id uuid not null,
  at timestamptz not null,
  action text not null,
  actor jsonb not null,
  subject text not null,
  document bytea,
  deployment_id uuid,
  leaf bytea not null,
  leaf_hash bytea not null,
  release jsonb,
  primary key (tenant_id, sequence),
  unique (tenant_id, id),
  unique (tenant_id, event_id)
);
create index ledger_entries_subject on reporting.ledger_entries (tenant_id, subject, sequence);
create index ledger_entries_action on reporting.ledger_entries (tenant_id, action, sequence);
create index ledger_entries_deployment on reporting.ledger_entries (tenant_id, deployment_id, sequence);
create index ledger_entries_document on reporting.ledger_entries (tenant_id, document);

-- Signed documents by the SHA-256 of their payload, as the events carried them.
create table reporting.ledger_documents (
  tenant_id uuid not null,
  digest bytea not null,
  kind text not null,
  envelope bytea not null,
  primary key (tenant_id, digest)
);

-- Every checkpoint that was signed.
create table reporting.ledger_checkpoints (
  tenant_id uuid not null,
  size bigint not null,
  root bytea not null,
  note text not null,
  signed_at timestamptz not null,
  primary key (tenant_id, size)
);

create table reporting.compliance_snapshots (
  tenant_id uuid not null,
  id uuid not null,
  as_of timestamptz not null,
  label text not null,
  deployment_id uuid,
  cells jsonb not null,
  primary key (tenant_id, id)
);
create index compliance_snapshots_time on reporting.compliance_snapshots (tenant_id, as_of desc, id desc);
create unique index compliance_snapshots_deployment on reporting.compliance_snapshots (tenant_id, deployment_id, label) where deployment_id is not null;

-- Which organizations changed since their last snapshot.
create table reporting.compliance_state (
  tenant_id uuid primary key,
  changed_at timestamptz,
  taken_at timestamptz
);

create table reporting.reports (
  tenant_id uuid not null,
  id uuid not null,
  kind jsonb not null,
  status text not null,
  message text not null default '',
  file_name text not null,
  media_type text not null,
  sha256 bytea,
  size_bytes bigint not null default 0,
  created_at timestamptz not null,
  expires_at timestamptz,
  requested_by jsonb not null,
  primary key (tenant_id, id)
);
create index reports_open_worker on reporting.reports (created_at) where status = 'running';
create index reports_expiring_worker on reporting.reports (expires_at) where expires_at is not null;

create table reporting.webhooks (
  tenant_id uuid not null,
  id uuid not null,
  url text not null,
  events jsonb not null,
  secret text not null,
  disabled_reason text not null default '',
  created_at timestamptz not null,
  primary key (tenant_id, id)
);

create table reporting.webhook_deliveries (
  tenant_id uuid not null,
  id uuid not null,
  webhook_id uuid not null,
  event_id uuid not null,
  event text not null,
  body text not null,
  attempts int not null default 0,
  last_status int,
  last_error text not null default '',
  delivered_at timestamptz,
  next_attempt_at timestamptz,
  give_up_at timestamptz not null,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, webhook_id, event_id),
  foreign key (tenant_id, webhook_id) references reporting.webhooks (tenant_id, id) on delete cascade
);
create index webhook_deliveries_list on reporting.webhook_deliveries (tenant_id, webhook_id, created_at desc, id desc);
create index webhook_deliveries_due_worker on reporting.webhook_deliveries (next_attempt_at) where next_attempt_at is not null;
