-- Updates of every package world, with what the vendor calls what they fix.
alter table inventory.host_updates add column ecosystem text not null default 'deb';
alter table inventory.host_updates add column errata jsonb not null default '[]';
alter table inventory.host_updates add column security boolean not null default false;
alter table inventory.patch_offers add column errata jsonb not null default '[]';
alter table inventory.patch_offers add column security boolean not null default false;
