-- Which updates an organization keeps from which hardware; null: nobody has said.
alter table inventory.scoring add column hardware jsonb;
alter table inventory.scoring add column hardware_version bigint not null default 0;
alter table inventory.scoring add column hardware_changed_at timestamptz;
alter table inventory.scoring add column hardware_changed_by jsonb;
