-- When the hosts of a site are scanned without being asked.
create table policy.scan_schedules (
  tenant_id uuid not null,
  site_id uuid not null,
  cron text not null,
  jitter_seconds integer not null check (jitter_seconds >= 0),
  changed_at timestamptz not null,
  primary key (tenant_id, site_id)
);
