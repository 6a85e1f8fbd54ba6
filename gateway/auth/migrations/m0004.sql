-- Whether relays of the site may serve hosts without an agent, as an HTTP proxy for the site's repositories.
alter table identity.sites add column serves_proxy boolean not null default false;
