-- What the site's line may carry of what its relays fetch: a limit, and rules by hours of the week.
alter table identity.sites add column bandwidth jsonb not null default '{}';
