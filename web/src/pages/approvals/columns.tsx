import { Button } from '@mantine/core';
import { useMemo } from 'react';
import { useText } from '../../i18n/text.ts';
import type { Column } from '../../ui/DataTable.tsx';
import { SeverityMark, Status } from '../../ui/status.tsx';
import { Ago } from '../../ui/Time.tsx';
import type { Approval } from './queries.ts';

/** The columns of the list of approvals. */
export function useApprovalColumns(opened: string | undefined, open: (id: string | undefined) => void): Column<Approval>[] {
  const text = useText();
  return useMemo(
    () => [
      {
        id: 'subject',
        header: text('approvals.subject'),
        cell: (row) => (
          <Button
            variant="subtle"
            size="compact-md"
            px={0}
            styles={{ label: { whiteSpace: 'normal', textAlign: 'left', lineHeight: 1.4 }, root: { height: 'auto', minHeight: 24 } }}
            aria-expanded={opened === row.id}
            aria-label={text('approvals.open', { title: row.title })}
            onClick={() => open(opened === row.id ? undefined : row.id)}
          >
            {row.title}
          </Button>
        ),
      },
      { id: 'severity', header: text('filter.severity'), cell: (row) => (row.subject?.__typename === 'Patch' ? <SeverityMark value={row.subject.severity} /> : null) },
      { id: 'status', header: text('filter.status'), cell: (row) => <Status of="approval" value={row.status} /> },
      {
        id: 'progress',
        header: text('approvals.progress'),
        cell: (row) => row.isAutomatic ? text('approvals.progress.rule') : text('approvals.progress.of', { given: row.decisions.filter((one) => one.verdict === 'APPROVE').length, required: row.required }),
      },
      {
        id: 'blast',
        header: text('approval.blast'),
        isNumber: true,
        cell: (row) => (row.subject?.__typename === 'Patch' ? text('approval.blast.hosts', { count: row.subject.hostCount }) : '–'),
      },
      { id: 'by', header: text('approvals.by'), cell: (row) => row.requestedBy.name },
      { id: 'at', header: text('approvals.at'), cell: (row) => <Ago at={row.requestedAt} /> },
    ],
    [open, opened, text],
  );
}
