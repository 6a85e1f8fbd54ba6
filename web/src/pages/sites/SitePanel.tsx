import { Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { useNow } from '../../ui/now.ts';
import { Facts, Panel } from '../../ui/Page.tsx';
import { Moment } from '../../ui/Time.tsx';
import { BandwidthLines } from './BandwidthLines.tsx';
import { MirrorLines } from './MirrorLines.tsx';
import type { Site } from './queries.ts';
import { RelaysTable } from './RelaysTable.tsx';
import { RelaySwitch } from './RelaySwitch.tsx';
import { Saved } from './Saved.tsx';
import { StagingLines } from './StagingLines.tsx';

/** A site and its relays. */
export function SitePanel({ site }: { site: Site }) {
  const text = useText();
  const { slug } = useOrganization();
  const now = useNow();
  const relays = site.relays ?? [];
  const hosts = (
    <Link className="np-link" to="/o/$org/hosts" params={{ org: slug }} search={{ site: site.id }}>
      {text('freshness.hosts', { count: site.hosts?.totalCount?.value ?? 0 })}
    </Link>
  );
  return (
    <Panel title={site.name} id={`site-${site.id}`}>
      <Facts
        rows={[
          [text('sites.hosts'), hosts],
          [text('sites.zone'), site.timeZone],
          [text('sites.localtime'), <Moment key="now" at={new Date(now).toISOString()} zone={site.timeZone} />],
          [text('sites.saved'), <Saved key="saved" traffic={site.traffic} />],
          [text('sites.line'), <BandwidthLines key="line" site={site} />],
          [text('sites.staging'), <StagingLines key="staging" site={site} />],
          [text('sites.mirrors'), <MirrorLines key="mirrors" site={site} />],
          [text('sites.deltas'), <RelaySwitch key="deltas" site={site} what="deltas" />],
          [text('sites.probe'), <RelaySwitch key="probe" site={site} what="probe" />],
          [text('sites.proxy'), <RelaySwitch key="proxy" site={site} what="proxy" />],
          [text('sites.direct'), <RelaySwitch key="direct" site={site} what="direct" />],
        ]}
      />
      <div style={{ marginTop: '0.8rem' }}>
        {relays.length > 0 ? (
          <RelaysTable relays={relays} site={site.name} />
        ) : (
          <Text className="np-muted">{text(site.directAllowed ? 'sites.relays.none' : 'sites.relays.none.strict')}</Text>
        )}
      </div>
    </Panel>
  );
}
