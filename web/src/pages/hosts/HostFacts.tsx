import { SimpleGrid, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ResultOf } from '../../api/graphql.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Facts, Panel } from '../../ui/Page.tsx';
import { Mark } from '../../ui/Mark.tsx';
import { Status } from '../../ui/status.tsx';
import { Ago, Moment } from '../../ui/Time.tsx';
import { OpenFindings } from './OpenFindings.tsx';
import type { HostQuery } from './queries.ts';

type Host = Extract<NonNullable<ResultOf<typeof HostQuery>['node']>, { __typename: 'Host' }>;

/** Where the host stands and why, and what it is. */
export function HostFacts({ host }: { host: Host }) {
  const text = useText();
  const { slug } = useOrganization();
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }}>
      <Panel title={text('host.why')} id="why">
        <Text mb="sm">
          <Status of="host" value={host.state} /> {host.stateReason}
        </Text>
        {host.scanProblem ? <Text mb="sm">{text('host.scanproblem', { problem: host.scanProblem })}</Text> : null}
        {host.isAuditOnly ? <Text mb="sm">{text('host.auditonly')}</Text> : null}
        <Facts
          rows={[
            [text('hosts.open'), <OpenFindings key="open" counts={host.openFindings} host={host.id} org={slug} />],
            [text('hosts.seen'), <Ago key="seen" at={host.lastSeenAt} />],
            [text('hosts.scanned'), <Ago key="scanned" at={host.lastScanAt} />],
            [text('hosts.reboot'), host.isRebootPending ? <Mark key="reboot" tone="wait">{text('value.yes')}</Mark> : text('value.no')],
          ]}
        />
      </Panel>
      <Panel title={text('host.facts')} id="facts">
        <Facts
          rows={[
            [text('hosts.site'), host.site?.name ?? text('unknown.value')],
            [text('hosts.os'), `${host.osName} ${host.osRelease}, ${host.arch}`],
            [text('host.kernel'), host.kernel],
            [text('host.zone'), host.timeZone || (host.site?.timeZone ?? text('unknown.value'))],
            [text('hosts.ring'), host.ring],
            [text('host.relay'), host.relay?.name ?? text('host.relay.none')],
            [text('host.labels'), host.labels.map((label) => `${label.key}=${label.value}`).join(', ') || '–'],
            [
              text('host.groups'),
              host.groups?.length
                ? host.groups.map((group) => (
                    <Link key={group.id} className="np-link" to="/o/$org/hosts" params={{ org: slug }} search={{ group: group.id }} style={{ marginRight: 8 }}>
                      {group.name}
                    </Link>
                  ))
                : '–',
            ],
            [text('host.registered'), <Moment key="registered" at={host.registeredAt} />],
          ]}
        />
      </Panel>
    </SimpleGrid>
  );
}
