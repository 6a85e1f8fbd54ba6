-- Where hosts say that payloads lie. Hints: whoever fetches from there believes only the hash.
create table inventory.payload_sources (
  tenant_id uuid not null,
  sha256 bytea not null,
  url text not null,
  seen_at timestamptz not null,
  primary key (tenant_id, sha256, url)
);
create index payload_sources_seen on inventory.payload_sources (tenant_id, seen_at);
