-- When relays of the site fetch ahead, by hours of the week; none: at all hours. And how far each relay says that it is.
alter table identity.sites add column staging_hours jsonb not null default '[]';
alter table identity.relays add column staging jsonb not null default '[]';
