-- Why the host cannot take an update; null: it can. Such an update is never offered.
alter table inventory.host_updates add column refusal jsonb;
