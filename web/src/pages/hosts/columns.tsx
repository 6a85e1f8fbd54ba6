import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useText } from '../../i18n/text.ts';
import type { Column } from '../../ui/DataTable.tsx';
import { Status } from '../../ui/status.tsx';
import { Ago } from '../../ui/Time.tsx';
import { OpenFindings } from './OpenFindings.tsx';
import type { HostRow } from './queries.ts';

/** The columns of the list of hosts. */
export function useHostColumns(org: string, withOrganization: boolean): Column<HostRow>[] {
  const text = useText();
  return useMemo(
    () => [
      {
        id: 'name',
        header: text('hosts.name'),
        cell: (host) => (
          <>
            <Link className="np-nowrap" to="/o/$org/hosts/$host" params={{ org, host: host.id }}>
              {host.hostname}
            </Link>
            <br />
            <span className="np-muted np-nowrap" style={{ fontWeight: 400 }}>
              {host.osName} {host.osRelease}
            </span>
          </>
        ),
      },
      { id: 'state', header: text('hosts.state'), cell: (host) => <Status of="host" value={host.state} /> },
      { id: 'why', header: text('hosts.why'), cell: (host) => <span className="np-sentence">{host.stateReason}</span> },
      { id: 'open', header: text('hosts.open'), cell: (host) => <OpenFindings counts={host.openFindings} host={host.id} org={org} /> },
      ...(withOrganization ? [{ id: 'organization', header: text('hosts.organization'), cell: (host: HostRow) => host.organization?.name ?? text('unknown.value') }] : []),
      { id: 'site', header: text('hosts.site'), cell: (host) => host.site?.name ?? text('unknown.value') },
      { id: 'ring', header: text('hosts.ring'), cell: (host) => host.ring },
      { id: 'seen', header: text('hosts.seen'), cell: (host) => <Ago at={host.lastSeenAt} /> },
      { id: 'scanned', header: text('hosts.scanned'), cell: (host) => <Ago at={host.lastScanAt} /> },
    ],
    [org, text, withOrganization],
  );
}
