import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useText } from '../../i18n/text.ts';
import type { Column } from '../../ui/DataTable.tsx';
import { Due } from '../../ui/Due.tsx';
import { Mark } from '../../ui/Mark.tsx';
import { SeverityMark, Status } from '../../ui/status.tsx';
import { Ago } from '../../ui/Time.tsx';
import { Arithmetic } from './Arithmetic.tsx';
import type { QueueItem } from './queries.ts';

/** The columns of the queue. */
export function useQueueColumns(org: string, site: string | undefined, withOrganization: boolean): Column<QueueItem>[] {
  const text = useText();
  return useMemo(
    () => [
      {
        id: 'patch',
        header: text('queue.patch'),
        cell: ({ patch }) => (
          <>
            {patch.name} <span className="np-mono">{patch.fixedVersion}</span>
            <br />
            <span className="np-muted" style={{ fontWeight: 400 }}>
              {patch.release} · {patch.originLabel}
            </span>
          </>
        ),
      },
      { id: 'risk', header: text('queue.risk'), cell: ({ risk }) => <Arithmetic risk={risk} /> },
      {
        id: 'severity',
        header: text('filter.severity'),
        cell: ({ patch }) => (
          <>
            <SeverityMark value={patch.severity} />{' '}
            {patch.isKnownExploited ? <Mark tone="critical">{text('queue.kev')}</Mark> : null}
          </>
        ),
      },
      { id: 'due', header: text('due.head'), cell: ({ deadline }) => <Due deadline={deadline} /> },
      {
        id: 'affects',
        header: text('queue.affects'),
        cell: ({ patch, findingCount, hostCount, organization }) => (
          <Link to="/o/$org/findings" params={{ org: organization?.slug ?? org }} search={{ patch: patch.id, site }}>
            {text('queue.counts', { findings: findingCount, hosts: hostCount })}
          </Link>
        ),
      },
      ...(withOrganization ? [{ id: 'organization', header: text('hosts.organization'), cell: (item: QueueItem) => item.organization?.name ?? text('unknown.value') }] : []),
      { id: 'since', header: text('queue.since'), cell: ({ firstSeenAt }) => <Ago at={firstSeenAt} /> },
      {
        id: 'approval',
        header: text('queue.approval'),
        cell: ({ approval, organization }) =>
          approval ? (
            <Link to="/o/$org/approvals" params={{ org: organization?.slug ?? org }} search={{ approval: approval.id, tab: approval.status === 'AWAITING' ? 'waiting' : 'decided' }}>
              <Status of="approval" value={approval.status} />
            </Link>
          ) : (
            <span className="np-muted">{text('queue.approval.none')}</span>
          ),
      },
    ],
    [org, site, text, withOrganization],
  );
}
