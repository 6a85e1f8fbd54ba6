-- Accepted lateness. What people decided stands in approvals, under the exception's id.
create table policy.exceptions (
  tenant_id uuid not null,
  id uuid not null,
  spec jsonb not null,
  until timestamptz not null,
  requested_by jsonb not null,
  requested_at timestamptz not null,
  ended_at timestamptz,
  -- Inventory was told that it is in force.
  told boolean not null default false,
  primary key (tenant_id, id)
);
create index exceptions_due_worker on policy.exceptions (until) where told;

-- Grows with each change of what is in force; inventory takes only newer ones.
create table policy.exception_versions (
  tenant_id uuid not null primary key,
  version bigint not null
);

alter table policy.approvals drop constraint approvals_subject_kind_check;
alter table policy.approvals add constraint approvals_subject_kind_check check (subject_kind in ('patch', 'deployment', 'exception'));
