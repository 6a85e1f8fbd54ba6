-- Advisories speak of ranges of versions in any ecosystem, not only of Debian's "below the fix".

alter table inventory.advisories rename column fixes to affected;
alter table inventory.advisories add column informational text;

-- [{"release": {…}, "name": …, "ranges": [{"introduced": …, "end": {"fixed": …}}], …}], see src/domain/affected.rs
update inventory.advisories set affected = (
  select coalesce(jsonb_agg(jsonb_build_object(
    'release', jsonb_build_object('ecosystem', 'deb', 'distribution', 'debian', 'codename', 'bookworm'),
    'name', fix -> 'source',
    'ranges', jsonb_build_array(jsonb_build_object('end', jsonb_build_object('fixed', fix -> 'fixed'))))), '[]')
  from jsonb_array_elements(affected) fix);

-- A name is unique in its feed: distributions name the same CVE.
alter table inventory.advisories drop constraint advisories_name_key;
alter table inventory.advisories add constraint advisories_feed_name_key unique (feed, name);
