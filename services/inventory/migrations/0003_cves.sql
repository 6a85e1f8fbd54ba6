-- What KEV, EPSS and SSVC say of a CVE, for the CVEs that advisories name; see CveFacts in src/domain/enrich.rs.
create table inventory.cves (
  cve text primary key,
  facts jsonb not null
);
