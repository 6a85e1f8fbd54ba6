-- What an organization knows of its machines besides what agents report.

-- By these an asset finds its host. Under row-level security an index serves plain columns only.
alter table inventory.hosts add column hostname_key text generated always as (lower(hostname)) stored;
alter table inventory.hosts add column serial_key text not null default '';
create index hosts_hostname_key on inventory.hosts (tenant_id, hostname_key);
create index hosts_serial_key on inventory.hosts (tenant_id, serial_key) where serial_key <> '';
create index hosts_machine on inventory.hosts (tenant_id, machine_id);

create table inventory.assets (
  tenant_id uuid not null,
  id uuid not null,
  host_id uuid,
  -- By what it was linked: person, machine_id, serial, hostname. Without a host: empty, or person when a person said that it has none.
  link_rule text not null,
  -- linked, unlinked, ambiguous
  link_state text not null,
  -- Hosts between which a person must decide.
  candidates uuid[] not null,
  -- Where it stands while it has no host.
  site_id uuid,
  inventory_number text not null,
  hostname text not null,
  hostname_key text not null,
  machine_id text not null,
  serial text not null,
  serial_key text not null,
  vendor text not null,
  model text not null,
  warranty_end date,
  end_of_life date,
  -- Owner, department, location, tier, criticality, tags. Those of a linked asset are in the host's labels, and here is nothing.
  labels jsonb not null,
  origin text not null,
  version bigint not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, host_id) references inventory.hosts (tenant_id, id) on delete set null (host_id)
);
create unique index assets_host on inventory.assets (tenant_id, host_id);
create unique index assets_number on inventory.assets (tenant_id, inventory_number) where inventory_number <> '';
create index assets_hostname on inventory.assets (tenant_id, hostname, id);
create index assets_hostname_key on inventory.assets (tenant_id, hostname_key) where hostname_key <> '';
create index assets_serial_key on inventory.assets (tenant_id, serial_key) where serial_key <> '';
create index assets_machine on inventory.assets (tenant_id, machine_id) where machine_id <> '';
create index assets_updated on inventory.assets (tenant_id, updated_at);
