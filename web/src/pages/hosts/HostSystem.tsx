import { SimpleGrid, Text } from '@mantine/core';
import { useIntl } from 'react-intl';
import { useQuery } from 'urql';
import type { ResultOf } from '../../api/graphql.ts';
import { useText } from '../../i18n/text.ts';
import { DataTable, type Column } from '../../ui/DataTable.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Mark } from '../../ui/Mark.tsx';
import { Facts, Panel } from '../../ui/Page.tsx';
import { readableMib } from '../../ui/size.ts';
import { HostSystemQuery } from './queries.ts';

type Host = Extract<NonNullable<ResultOf<typeof HostSystemQuery>['node']>, { __typename: 'Host' }>;

/** What the machine is, which kernel it runs, and what still runs replaced files. */
export function HostSystem({ id }: { id: string }) {
  const [state, ask] = useQuery({ query: HostSystemQuery, variables: { id } });
  return (
    <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
      {({ node }) =>
        node?.__typename === 'Host' ? (
          <SimpleGrid cols={{ base: 1, md: 2 }}>
            <System host={node} />
            <Machine host={node} />
            <Stale host={node} />
            <Providers host={node} />
          </SimpleGrid>
        ) : null
      }
    </Loaded>
  );
}

function System({ host }: { host: Host }) {
  const text = useText();
  const { kernel, installedKernel } = host;
  const isOther = installedKernel !== null && installedKernel !== kernel;
  return (
    <Panel title={text('system.os')} id="system">
      <Facts
        rows={[
          [text('hosts.os'), host.osName],
          [text('system.release'), [host.osVersion, host.osRelease].filter(Boolean).join(' ') || text('unknown.value')],
          [text('host.arch'), host.arch],
          [text('system.kernel.running'), <span key="running" className="np-mono">{kernel}</span>],
          [text('system.kernel.installed'), installedKernel ? <span key="installed" className="np-mono">{installedKernel}</span> : text('system.kernel.none')],
          [text('hosts.reboot'), host.isRebootPending ? <Mark key="reboot" tone="wait">{text('value.yes')}</Mark> : text('value.no')],
          [text('system.boot'), host.bootId ? <span key="boot" className="np-mono">{host.bootId}</span> : text('unknown.value')],
        ]}
      />
      {isOther ? <Text mt="sm">{text('system.kernel.other')}</Text> : null}
    </Panel>
  );
}

function Machine({ host }: { host: Host }) {
  const text = useText();
  const { locale } = useIntl();
  const { hardware } = host;
  const unknown = text('unknown.value');
  const size = (mib: number | null) => readableMib(mib, locale);
  const lines = (all: readonly { name: string; words: string }[]) =>
    all.length > 0
      ? all.map(({ name, words }) => (
          <div key={name}>
            <span className="np-mono">{name}</span> {words}
          </div>
        ))
      : unknown;
  return (
    <Panel title={text('system.machine')} id="machine">
      <Facts
        rows={[
          [text('system.model'), [hardware.vendor, hardware.model].filter(Boolean).join(' ') || unknown],
          [text('system.serial'), hardware.serial ?? unknown],
          [text('system.firmware'), hardware.firmware ?? unknown],
          [text('system.virtual'), hardware.virtualization ?? text('system.virtual.none')],
          [text('system.processor'), `${hardware.processor ?? unknown} × ${hardware.processorCount}`],
          [text('system.memory'), size(hardware.memoryMib)],
          [text('system.free'), hardware.freeMib === null ? unknown : size(hardware.freeMib)],
          [text('system.disks'), lines(hardware.disks.map((disk) => ({ name: disk.name, words: [size(disk.sizeMib), disk.model].filter(Boolean).join(', ') })))],
          [text('system.cards'), lines(hardware.cards.map((card) => ({ name: card.name, words: card.address })))],
        ]}
      />
    </Panel>
  );
}

function Stale({ host }: { host: Host }) {
  const text = useText();
  const columns: Column<Host['staleServices'][number]>[] = [
    { id: 'unit', header: text('stale.unit'), cell: (row) => row.unit ?? text('stale.unit.none', { process: row.process }) },
    { id: 'process', header: text('stale.process'), cell: (row) => <span className="np-mono">{row.process}</span> },
    {
      id: 'files',
      header: text('stale.files'),
      cell: (row) => row.files.map((file) => <div key={file} className="np-mono">{file}</div>),
    },
  ];
  return (
    <Panel title={text('stale.title')} id="stale">
      {host.staleServices.length === 0 ? (
        <Text>{text(host.lastScanAt ? 'stale.none' : 'components.unscanned')}</Text>
      ) : (
        <>
          <Text mb="sm">{text('stale.why', { count: host.staleServices.length })}</Text>
          <DataTable caption={text('stale.title')} rows={host.staleServices} columns={columns} rowId={(row) => `${row.unit ?? ''} ${row.process}`} rowName={(row) => row.unit ?? row.process} />
        </>
      )}
    </Panel>
  );
}

function Providers({ host }: { host: Host }) {
  const text = useText();
  const columns: Column<Host['providers'][number]>[] = [
    { id: 'name', header: text('provider.name'), cell: (row) => row.name },
    { id: 'count', header: text('provider.count'), cell: (row) => row.componentCount, isNumber: true },
    { id: 'problem', header: text('provider.problem'), cell: (row) => (row.problem ? <><Mark tone="wait">{text('provider.cut')}</Mark> <span className="np-sentence">{row.problem}</span></> : <Mark tone="good">{text('provider.whole')}</Mark>) },
  ];
  return (
    <Panel title={text('provider.title')} id="providers">
      {host.providers.length === 0 ? (
        <Text>{text(host.lastScanAt ? 'provider.none' : 'components.unscanned')}</Text>
      ) : (
        <DataTable caption={text('provider.title')} rows={host.providers} columns={columns} rowId={(row) => row.name} rowName={(row) => row.name} />
      )}
    </Panel>
  );
}
