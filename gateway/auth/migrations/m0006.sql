-- Which relay a relay's token made: its use and the relay come in one transaction, and the same key may ask again for an answer that was lost.
alter table identity.enrolment_tokens add column relay_id uuid;

-- Wrong claim codes by account, wherever and however often the platform runs.
create table identity.wrong_codes (
  attempt uuid primary key,
  actor_id uuid not null,
  at timestamptz not null
);

create index wrong_codes_of_actor on identity.wrong_codes (actor_id);
create index wrong_codes_at on identity.wrong_codes (at);

-- Counts an attempt as wrong from its beginning, unless the account has too many since `since`. Attempts made at once wait for each other.
create function identity.wrong_code_begin(id uuid, actor uuid, begun timestamptz, since timestamptz, most integer) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('claim code ' || actor::text, 0));
  delete from identity.wrong_codes w where w.at <= since;
  if (select count(*) from identity.wrong_codes w where w.actor_id = actor) >= most then
    return false;
  end if;
  insert into identity.wrong_codes (attempt, actor_id, at) values (id, actor, begun);
  return true;
end $$;

create function identity.wrong_code_forgive(id uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from identity.wrong_codes w where w.attempt = id;
  return found;
end $$;

create index claims_expire on identity.claims (expires_at);

-- Nobody fills the table by asking for codes: those that nobody typed go when they end, and so many wait at most.
create or replace function identity.claim_open(device bytea, code bytea, request bytea, what text, number text, program text, opened timestamptz, ends timestamptz) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from identity.claims c where c.expires_at < opened - interval '1 day' or (c.expires_at < opened and c.tenant_id is null);
  if (select count(*) from (select 1 from identity.claims c where c.tenant_id is null limit 20000) waiting) >= 20000 then
    return false;
  end if;
  insert into identity.claims (device_hash, code_hash, csr, model, serial, version, expires_at)
  values (device, code, request, what, number, program, ends)
  on conflict do nothing;
  return found;
end $$;
