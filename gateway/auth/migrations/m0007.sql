-- Where relays of the site fetch what lies in a repository, by repository; none: from where hosts name it. Whether they use differences
-- between versions. And what each relay says that those saved.
alter table identity.sites add column mirrors jsonb not null default '[]';
alter table identity.sites add column uses_deltas boolean not null default true;
alter table identity.relays add column deltas bigint not null default 0;
alter table identity.relays add column delta_saved_bytes bigint not null default 0;
