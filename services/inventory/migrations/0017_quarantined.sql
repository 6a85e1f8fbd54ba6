-- Hosts in quarantine: asked for the relays of an organization.
create index hosts_quarantined on inventory.hosts (tenant_id, id) where quarantined;
