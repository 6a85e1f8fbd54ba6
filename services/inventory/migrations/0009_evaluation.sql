-- What a report or a feed changed waits here until its host has been evaluated.
create table inventory.evaluations (
  tenant_id uuid not null,
  host_id uuid not null,
  -- The manifest that the host's exposures are of; null: they are compared as a whole.
  base bytea,
  -- The host reported another manifest, which is told when it has been evaluated.
  reported boolean not null,
  primary key (tenant_id, host_id)
);

-- The feed epoch that the hosts of an organization were matched against, but for those that wait.
create table inventory.evaluated (
  tenant_id uuid primary key,
  epoch bigint not null
);

-- Row-level security holds for the owner too; nobody but the migration is here.
alter table inventory.manifests no force row level security;
insert into inventory.evaluated (tenant_id, epoch) select tenant_id, min(evaluated_epoch) from inventory.manifests group by tenant_id;
alter table inventory.manifests force row level security;
drop index inventory.manifests_stale_worker;
alter table inventory.manifests drop column evaluated_epoch;

-- The transaction that wrote the manifest: whoever remembers what hosts carry asks for what came since.
alter table inventory.hosts add column reported xid8 not null default pg_current_xact_id();
create index hosts_reported on inventory.hosts (tenant_id, reported);

-- A host that changed a few packages is compared in these components only.
drop index inventory.exposures_host;
create index exposures_host on inventory.exposures (tenant_id, host_id, component) where closed_at is null;
