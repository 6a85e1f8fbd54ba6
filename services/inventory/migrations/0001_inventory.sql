-- Catalog: shared by all organizations, written by the feed importer and when a new component or patch is seen.

create table inventory.feeds (
  name text primary key,
  records bigint not null,
  skipped bigint not null,
  problem text,
  data_as_of timestamptz,
  imported_at timestamptz not null,
  licence text not null,
  limits text not null
);

-- One row. The epoch grows when the advisories change; manifests remember which one they were matched against.
create table inventory.feed_state (
  only_row boolean primary key default true check (only_row),
  epoch bigint not null
);
insert into inventory.feed_state (epoch) values (0);

create table inventory.source_aliases (
  signed_source text primary key,
  source text not null
);

create table inventory.advisories (
  number integer generated always as identity primary key,
  id uuid not null unique,
  name text not null unique,
  feed text not null,
  vendor_refs text[] not null,
  cves text[] not null,
  summary text not null,
  cvss_score double precision,
  cvss_vector text,
  epss double precision,
  kev boolean not null,
  ransomware boolean not null,
  published_at timestamptz,
  url text,
  record text not null,
  record_digest bytea not null,
  -- [{"source": …, "fixed": …}]
  fixes jsonb not null,
  -- Of everything above, to write only what changed.
  content_digest bytea not null,
  -- The feed does not have it any more; findings closed.
  withdrawn boolean not null default false
);

create table inventory.components (
  number integer generated always as identity primary key,
  id uuid not null unique,
  ecosystem text not null,
  distribution text not null,
  release text not null,
  name text not null,
  version text not null,
  arch text not null,
  source text not null,
  source_version text not null
);

create table inventory.patches (
  id uuid primary key,
  ecosystem text not null,
  distribution text not null,
  release text not null,
  name text not null,
  fixed_version text not null
);

-- Per organization.

create table inventory.hosts (
  tenant_id uuid not null,
  id uuid not null,
  site_id uuid not null,
  machine_id text not null,
  hostname text not null,
  facts jsonb not null,
  labels jsonb not null,
  -- The manifest that the host carries now.
  manifest bytea,
  -- Of the last applicability report, to write only what changed.
  applicability_digest bytea,
  scan_problem text not null default '',
  registered_at timestamptz not null,
  last_seen_at timestamptz,
  last_scan_at timestamptz,
  relay_id uuid,
  reboot_pending boolean not null,
  quarantined boolean not null default false,
  -- Grows with each change by a person.
  version bigint not null default 1,
  -- Open findings, kept when they change.
  open_critical integer not null default 0,
  open_high integer not null default 0,
  open_unknown integer not null default 0,
  open_medium integer not null default 0,
  open_low integer not null default 0,
  primary key (tenant_id, id),
  unique (tenant_id, site_id, machine_id)
);
create index hosts_name on inventory.hosts (tenant_id, hostname, id);
create index hosts_manifest on inventory.hosts (tenant_id, manifest);

create table inventory.groups (
  tenant_id uuid not null,
  id uuid not null,
  name text not null,
  selector jsonb not null,
  primary key (tenant_id, id),
  unique (tenant_id, name)
);

create table inventory.manifests (
  tenant_id uuid not null,
  hash bytea not null,
  -- Sorted component numbers, four bytes each, big-endian.
  components bytea not null,
  -- The feed epoch that the hosts of this manifest were matched against.
  evaluated_epoch bigint not null,
  created_at timestamptz not null,
  primary key (tenant_id, hash)
);
create index manifests_stale_worker on inventory.manifests (evaluated_epoch);

create table inventory.host_manifests (
  tenant_id uuid not null,
  host_id uuid not null,
  seen_at timestamptz not null,
  hash bytea not null,
  primary key (tenant_id, host_id, seen_at),
  foreign key (tenant_id, host_id) references inventory.hosts (tenant_id, id) on delete cascade
);

create table inventory.host_updates (
  tenant_id uuid not null,
  host_id uuid not null,
  name text not null,
  arch text not null,
  patch_id uuid not null,
  installed_version text not null,
  candidate_version text not null,
  source text not null,
  source_version text not null,
  sha256 bytea not null,
  size_bytes bigint not null,
  origin text not null,
  suite text not null,
  label text not null,
  state text not null,
  phased_percent integer not null,
  section text not null,
  requires jsonb not null,
  primary key (tenant_id, host_id, name, arch),
  foreign key (tenant_id, host_id) references inventory.hosts (tenant_id, id) on delete cascade
);
create index host_updates_patch on inventory.host_updates (tenant_id, patch_id);

-- A patch that a host of the organization was offered.
create table inventory.patch_offers (
  tenant_id uuid not null,
  patch_id uuid not null,
  label text not null,
  suite text not null,
  section text not null,
  first_seen_at timestamptz not null,
  primary key (tenant_id, patch_id)
);

-- A finding is an exposure: the interval during which a host carried it.
create table inventory.exposures (
  tenant_id uuid not null,
  id uuid not null,
  host_id uuid not null,
  advisory integer not null,
  component integer not null,
  source text not null,
  installed_version text not null,
  fixed_version text not null,
  rule text not null,
  severity text not null,
  kev boolean not null,
  -- Tenths: 0 to 1000.
  risk integer not null,
  patch_id uuid,
  applicability text not null,
  opened_at timestamptz not null,
  closed_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, host_id) references inventory.hosts (tenant_id, id) on delete cascade
);
create index exposures_host on inventory.exposures (tenant_id, host_id) where closed_at is null;
create index exposures_risk on inventory.exposures (tenant_id, risk desc, id desc) where closed_at is null;
create index exposures_patch on inventory.exposures (tenant_id, patch_id);
create index exposures_advisory on inventory.exposures (tenant_id, advisory);
