-- What policy owns. Every key starts with tenant_id; the group of a subject without one is the nil UUID, so that it fits a key.
create table policy.policies (
  tenant_id uuid not null,
  id uuid not null,
  name text not null,
  spec jsonb not null,
  version bigint not null,
  changed_at timestamptz not null,
  primary key (tenant_id, id),
  constraint policies_name unique (tenant_id, name)
);

create table policy.windows (
  tenant_id uuid not null,
  id uuid not null,
  name text not null,
  spec jsonb not null,
  blackout boolean not null,
  version bigint not null,
  changed_at timestamptz not null,
  primary key (tenant_id, id),
  constraint windows_name unique (tenant_id, name)
);

create table policy.block_entries (
  tenant_id uuid not null,
  package text not null,
  reason text not null,
  changed_at timestamptz not null,
  primary key (tenant_id, package)
);

create table policy.approvals (
  tenant_id uuid not null,
  id uuid not null,
  subject_kind text not null check (subject_kind in ('patch', 'deployment')),
  subject_id uuid not null,
  group_id uuid not null,
  status text not null,
  standing boolean not null,
  policy_id uuid,
  rule text,
  automatic boolean not null,
  requested_by jsonb not null,
  requested_at timestamptz not null,
  required integer not null,
  decisions jsonb not null,
  content_digest bytea,
  content jsonb not null,
  expires_at timestamptz,
  logged_at timestamptz,
  envelope bytea,
  title text not null,
  waiting smallint generated always as (case when status = 'awaiting' then 0 else 1 end) stored,
  primary key (tenant_id, id)
);
create unique index approvals_standing on policy.approvals (tenant_id, subject_kind, subject_id, group_id) where standing;
create index approvals_order on policy.approvals (tenant_id, waiting, id desc);
create index approvals_due_worker on policy.approvals (expires_at) where standing and expires_at is not null;

create table policy.memberships (
  tenant_id uuid not null,
  host_id uuid not null,
  version bigint not null,
  content_digest bytea not null,
  envelope bytea not null,
  expires_at timestamptz not null,
  primary key (tenant_id, host_id)
);

-- Work that must be done after a change: kind 'evaluate' (key = a patch, or * for all), 'membership' (key = a host, or *).
create table policy.work (
  tenant_id uuid not null,
  kind text not null,
  key text not null,
  stamp uuid not null,
  primary key (tenant_id, kind, key)
);
