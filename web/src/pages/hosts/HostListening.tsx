import { Stack, Switch, Text } from '@mantine/core';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useQuery } from 'urql';
import type { ResultOf } from '../../api/graphql.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText, useWord } from '../../i18n/text.ts';
import { DataTable, type Column } from '../../ui/DataTable.tsx';
import { Filters, TextFilter } from '../../ui/Filters.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Mark } from '../../ui/Mark.tsx';
import { Ago } from '../../ui/Time.tsx';
import { HostListeningQuery } from './queries.ts';
import { order, reach, type Reach } from './reach.ts';

const route = getRouteApi('/signed-in/o/$org/hosts/$host');

type Host = Extract<NonNullable<ResultOf<typeof HostListeningQuery>['node']>, { __typename: 'Host' }>;
type Socket = Host['listening'][number];

const tones = { open: 'high', unknown: 'unknown', blocked: 'good', local: 'calm' } as const satisfies Record<Reach, string>;

/** What waits on the host for others, who owns it, and who gets through to it. */
export function HostListening({ id }: { id: string }) {
  const text = useText();
  const { name, exposed } = route.useSearch();
  const navigate = route.useNavigate();
  const [state, ask] = useQuery({ query: HostListeningQuery, variables: { id } });
  const isFiltered = name !== undefined || exposed !== undefined;
  return (
    <Stack>
      <Filters onClear={isFiltered ? () => void navigate({ search: ({ tab }) => ({ tab }) }) : undefined}>
        <TextFilter label={text('listening.filter')} value={name} onChange={(value) => void navigate({ search: (before) => ({ ...before, name: value }) })} />
        <Switch
          mb={8}
          label={text('listening.exposed')}
          checked={exposed ?? false}
          onChange={(event) => void navigate({ search: (before) => ({ ...before, exposed: event.currentTarget.checked || undefined }) })}
        />
      </Filters>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ node }) => (node?.__typename === 'Host' ? <Sockets host={node} name={name} exposed={exposed} /> : null)}
      </Loaded>
    </Stack>
  );
}

function Sockets({ host, name, exposed }: { host: Host; name: string | undefined; exposed: boolean | undefined }) {
  const text = useText();
  const columns = useColumns();
  const rows = useMemo(() => {
    const wanted = name?.toLowerCase();
    const says = (socket: Socket) => [socket.process, socket.unit, socket.package, String(socket.port), socket.address].some((word) => word?.toLowerCase().includes(wanted ?? ''));
    const isOpen = (socket: Socket) => socket.isExposed !== false;
    return host.listening
      .filter((socket) => (!wanted || says(socket)) && (!exposed || isOpen(socket)))
      .sort((one, other) => order(one) - order(other) || one.port - other.port);
  }, [host.listening, name, exposed]);
  if (host.listening.length === 0) {
    const isMeasured = host.firewallReader !== null || host.firewallProblem !== null;
    return <Text>{text(!host.lastScanAt ? 'components.unscanned' : isMeasured ? 'listening.none' : 'listening.unmeasured')}</Text>;
  }
  return (
    <>
      {host.firewallProblem ? (
        <Text>
          <Mark tone="unknown">{text('listening.firewall.unknown')}</Mark> {text('listening.firewall.problem', { problem: host.firewallProblem })}
        </Text>
      ) : null}
      {rows.length === 0 ? (
        <Text>{text('listening.empty')}</Text>
      ) : (
        <>
          <Text fw={600}>{text('listening.count', { count: rows.length, all: host.listening.length })}</Text>
          <DataTable caption={text('host.tab.listening')} rows={rows} columns={columns} rowId={socketId} rowName={socketId} total={rows.length} />
        </>
      )}
      <Relays site={host.site} />
      <Text className="np-muted">{text(host.firewallReader ? 'listening.how' : 'listening.how.unread', { reader: host.firewallReader ?? '' })}</Text>
    </>
  );
}

/** Whether a relay tries these ports at all, and what it cannot say. */
function Relays({ site }: { site: Host['site'] }) {
  const text = useText();
  const { slug } = useOrganization();
  if (site?.probesExposure) return <Text className="np-muted">{text('probe.how')}</Text>;
  return (
    <Text className="np-muted">
      {text('probe.off')}{' '}
      <Link className="np-link" to="/o/$org/sites" params={{ org: slug }}>
        {text('sites.title')}
      </Link>
    </Text>
  );
}

/** What a relay of the site found out about a socket. */
function Probed({ socket }: { socket: Socket }) {
  const text = useText();
  const word = useWord();
  const { probe, protocol, isReachable, exposureBasis } = socket;
  if (!probe) return <span className="np-muted">{text(!isReachable ? 'probe.needless' : protocol === 'UDP' ? 'probe.udp' : 'probe.untried')}</span>;
  return (
    <>
      <Mark tone={probe.outcome === 'REACHED' ? 'high' : exposureBasis === 'PROBE' ? 'good' : 'calm'}>{word('probe', probe.outcome)}</Mark>
      <span className="np-sentence">
        {text('probe.by', { relay: probe.relay?.name ?? text('unknown.value'), target: probe.target })} <Ago at={probe.at} />
      </span>
      {exposureBasis === 'PROBE' ? null : <span className="np-sentence">{text('probe.overruled')}</span>}
    </>
  );
}

const socketId = ({ protocol, address, port, process }: Socket) => `${protocol} ${address} ${port} ${process ?? ''}`;

function useColumns(): Column<Socket>[] {
  const text = useText();
  return useMemo(
    () => [
      { id: 'port', header: text('listening.port'), cell: (socket) => <span className="np-nowrap">{`${socket.port}/${socket.protocol.toLowerCase()}`}</span> },
      { id: 'address', header: text('listening.address'), cell: (socket) => <span className="np-mono">{socket.address}</span> },
      {
        id: 'owner',
        header: text('listening.owner'),
        cell: (socket) => (socket.process ? [socket.process, socket.unit].filter(Boolean).join(', ') : text('unknown.value')),
      },
      { id: 'package', header: text('listening.package'), cell: (socket) => socket.package ?? text('unknown.value') },
      {
        id: 'reach',
        header: text('listening.reach'),
        cell: (socket) => {
          const how = reach(socket);
          return <Mark tone={tones[how]}>{text(`reach.${how}`)}</Mark>;
        },
      },
      { id: 'probe', header: text('probe.header'), cell: (socket) => <Probed socket={socket} /> },
    ],
    [text],
  );
}
