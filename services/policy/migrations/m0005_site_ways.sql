-- Whether the hosts of a site may go past its relays, as identity last said. No row: they may.
create table policy.site_ways (
  tenant_id uuid not null,
  site_id uuid not null,
  direct_allowed boolean not null,
  changed_at timestamptz not null,
  primary key (tenant_id, site_id)
);
