-- Whether relays of the site may try the ports that its hosts say they listen on.
alter table identity.sites add column probes_exposure boolean not null default false;
