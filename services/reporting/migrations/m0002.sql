-- Secrets of webhooks are sealed. Key 0: not sealed yet; the service seals the row and empties secret.
alter table reporting.webhooks alter column secret set default '';
alter table reporting.webhooks add column sealed_key integer not null default 0;
-- Nonce, ciphertext, tag.
alter table reporting.webhooks add column sealed bytea not null default ''::bytea;
create index webhooks_sealed_worker on reporting.webhooks (sealed_key);
