-- Whose dates an organization follows.
create table policy.baselines (
  tenant_id uuid not null,
  id uuid not null,
  name text not null,
  spec jsonb not null,
  followed boolean not null,
  version bigint not null,
  changed_at timestamptz not null,
  archived_at timestamptz,
  primary key (tenant_id, id)
);
create unique index baselines_name on policy.baselines (tenant_id, name) where archived_at is null;
create index baselines_order on policy.baselines (tenant_id, name, id);

-- Grows with each change of what is followed; inventory takes only newer ones.
create table policy.baseline_versions (
  tenant_id uuid not null primary key,
  version bigint not null
);
