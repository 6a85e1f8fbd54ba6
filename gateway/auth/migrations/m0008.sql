-- Payloads that each relay says it had from the platform's own store.
alter table identity.relays add column stored bigint not null default 0;
