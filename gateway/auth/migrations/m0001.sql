create table identity.organizations (
  tenant_id uuid primary key,
  kind text not null check (kind in ('partner', 'customer')),
  name text not null,
  slug text not null,
  created_at timestamptz not null
);

create table identity.sites (
  tenant_id uuid not null references identity.organizations (tenant_id),
  id uuid not null,
  name text not null,
  time_zone text not null,
  direct_allowed boolean not null,
  upstreams jsonb not null,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, name)
);

create table identity.users (
  tenant_id uuid not null references identity.organizations (tenant_id),
  id uuid not null,
  email text not null,
  name text not null,
  password_hash text not null,
  active boolean not null default true,
  bootstrap boolean not null default false,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, email)
);

create table identity.grants (
  tenant_id uuid not null,
  user_id uuid not null,
  role text not null,
  sites jsonb,
  primary key (tenant_id, user_id, role),
  foreign key (tenant_id, user_id) references identity.users (tenant_id, id)
);

create table identity.delegations (
  tenant_id uuid not null references identity.organizations (tenant_id),
  id uuid not null,
  partner_id uuid not null,
  roles jsonb not null,
  status text not null check (status in ('pending', 'active', 'revoked')),
  expires_at timestamptz not null,
  created_at timestamptz not null,
  decided_by text,
  reason text,
  primary key (tenant_id, id)
);

create table identity.delegated_customers (
  tenant_id uuid not null references identity.organizations (tenant_id),
  customer_id uuid not null,
  primary key (tenant_id, customer_id)
);

create table identity.api_clients (
  tenant_id uuid not null references identity.organizations (tenant_id),
  id uuid not null,
  name text not null,
  secret_hash bytea not null,
  permissions jsonb not null,
  expires_at timestamptz not null,
  last_used_at timestamptz,
  created_at timestamptz not null,
  primary key (tenant_id, id)
);

create table identity.enrolment_tokens (
  tenant_id uuid not null,
  id uuid not null,
  site_id uuid not null,
  secret_hash bytea not null,
  labels jsonb not null,
  for_relay boolean not null,
  max_uses integer not null,
  uses integer not null default 0,
  expires_at timestamptz not null,
  revoked boolean not null default false,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, site_id) references identity.sites (tenant_id, id)
);

create table identity.relays (
  tenant_id uuid not null,
  id uuid not null,
  site_id uuid not null,
  name text not null,
  model text not null,
  serial text not null,
  version text not null,
  key_fingerprint bytea not null,
  last_seen_at timestamptz,
  address text not null default '',
  cache_bytes bigint not null default 0,
  bytes_served bigint not null default 0,
  bytes_fetched bigint not null default 0,
  hits bigint not null default 0,
  misses bigint not null default 0,
  sessions integer not null default 0,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, site_id) references identity.sites (tenant_id, id)
);

create table identity.certificates (
  tenant_id uuid not null references identity.organizations (tenant_id),
  fingerprint bytea not null,
  kind text not null,
  subject_id uuid not null,
  not_before timestamptz not null,
  not_after timestamptz not null,
  revoked_at timestamptz,
  primary key (tenant_id, fingerprint)
);

create index certificates_of_subject on identity.certificates (tenant_id, subject_id);

create table identity.idempotency_keys (
  tenant_id uuid not null,
  client_id uuid not null,
  key text not null,
  body_hash bytea not null,
  answer jsonb,
  created_at timestamptz not null,
  primary key (tenant_id, client_id, key)
);

create table identity.user_directory (
  email_hash bytea primary key,
  tenant_id uuid not null,
  user_id uuid not null
);

create table identity.sessions (
  token_hash bytea primary key,
  tenant_id uuid not null,
  user_id uuid not null,
  kind text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null
);

create index sessions_of_user on identity.sessions (tenant_id, user_id);

create table identity.token_directory (
  secret_hash bytea primary key,
  tenant_id uuid not null,
  token_id uuid not null
);

create table identity.claims (
  device_hash bytea primary key,
  code_hash bytea not null unique,
  csr bytea not null,
  model text not null,
  serial text not null,
  version text not null,
  expires_at timestamptz not null,
  tenant_id uuid,
  relay_id uuid,
  site_id uuid,
  certificate bytea
);

create function identity.user_enter(hash bytea, tenant uuid, subject uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into identity.user_directory (email_hash, tenant_id, user_id) values (hash, tenant, subject)
  on conflict (email_hash) do nothing;
  return found;
end $$;

create function identity.user_by_email(hash bytea) returns table (tenant_id uuid, user_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select d.tenant_id, d.user_id from identity.user_directory d where d.email_hash = hash limit 1
$$;

create function identity.session_open(hash bytea, tenant uuid, subject uuid, how text, opened timestamptz, ends timestamptz) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from identity.sessions s where s.tenant_id = tenant and s.user_id = subject and s.expires_at < opened;
  insert into identity.sessions (token_hash, tenant_id, user_id, kind, created_at, expires_at)
  values (hash, tenant, subject, how, opened, ends);
  return true;
end $$;

create function identity.session_by_hash(hash bytea) returns table (tenant_id uuid, user_id uuid, kind text, expires_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select s.tenant_id, s.user_id, s.kind, s.expires_at from identity.sessions s where s.token_hash = hash limit 1
$$;

create function identity.session_close(hash bytea) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from identity.sessions s where s.token_hash = hash;
  return found;
end $$;

create function identity.sessions_close(tenant uuid, subject uuid) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  closed bigint;
begin
  delete from identity.sessions s where s.tenant_id = tenant and s.user_id = subject;
  get diagnostics closed = row_count;
  return closed;
end $$;

create function identity.token_enter(hash bytea, tenant uuid, token uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into identity.token_directory (secret_hash, tenant_id, token_id) values (hash, tenant, token);
  return true;
end $$;

create function identity.token_by_hash(hash bytea) returns table (tenant_id uuid, token_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select d.tenant_id, d.token_id from identity.token_directory d where d.secret_hash = hash limit 1
$$;

create function identity.claim_open(device bytea, code bytea, request bytea, what text, number text, program text, opened timestamptz, ends timestamptz) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from identity.claims c where c.expires_at < opened - interval '1 day';
  insert into identity.claims (device_hash, code_hash, csr, model, serial, version, expires_at)
  values (device, code, request, what, number, program, ends)
  on conflict do nothing;
  return found;
end $$;

create function identity.claim_by_code(code bytea) returns table (device_hash bytea, csr bytea, model text, serial text, version text, expires_at timestamptz, taken boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select c.device_hash, c.csr, c.model, c.serial, c.version, c.expires_at, c.tenant_id is not null from identity.claims c where c.code_hash = code limit 1
$$;

create function identity.claim_take(code bytea, tenant uuid, relay uuid, site uuid, cert bytea) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update identity.claims c set tenant_id = tenant, relay_id = relay, site_id = site, certificate = cert
  where c.code_hash = code and c.tenant_id is null;
  return found;
end $$;

create function identity.claim_by_device(device bytea) returns table (tenant_id uuid, relay_id uuid, site_id uuid, certificate bytea, expires_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select c.tenant_id, c.relay_id, c.site_id, c.certificate, c.expires_at from identity.claims c where c.device_hash = device limit 1
$$;
