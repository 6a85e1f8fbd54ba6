-- Which revoked certificates still could be shown: asked for the relays of an organization.
create index certificates_revoked on identity.certificates (tenant_id, not_after) where revoked_at is not null;
