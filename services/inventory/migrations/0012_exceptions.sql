-- The exceptions in force, as policy handed them over; null: none were ever.
alter table inventory.scoring add column exceptions jsonb;
alter table inventory.scoring add column exceptions_version bigint not null default 0;
