-- Hosts without an agent consist of what a document says: who says it (agent, cyclonedx, glpi). Such a host has no machine id; in the
-- column stands `document:<id>`, which no machine reports.
alter table inventory.hosts add column software_from text not null default 'agent';
create index hosts_documents on inventory.hosts (tenant_id, software_from) where software_from <> 'agent';
