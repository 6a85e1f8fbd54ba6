-- What relays of the host's site found out about its sockets; null: nothing that counts.
alter table inventory.hosts add column probes jsonb;

-- What a relay was asked to try, and when it is a host's turn.
create table inventory.probes (
  tenant_id uuid not null,
  host_id uuid not null,
  -- Who was asked last, when, and for what; an answer is taken once.
  relay_id uuid,
  asked_at timestamptz not null,
  asked jsonb,
  -- When it is asked for again.
  due_at timestamptz not null,
  -- How long the host's probes count; null: it has none.
  fresh_until timestamptz,
  primary key (tenant_id, host_id)
);
create index probes_fresh_until_worker on inventory.probes (fresh_until) where fresh_until is not null;
