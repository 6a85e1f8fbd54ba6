-- Which payload lies at an address: asked when a relay wants a difference.
create index payload_sources_url on inventory.payload_sources (tenant_id, url);
