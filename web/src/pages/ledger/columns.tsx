import { Button } from '@mantine/core';
import { useMemo } from 'react';
import { useText } from '../../i18n/text.ts';
import type { Column } from '../../ui/DataTable.tsx';
import { Moment } from '../../ui/Time.tsx';
import type { Entry } from './queries.ts';

/** The columns of the ledger. */
export function useEntryColumns(opened: string | undefined, open: (id: string | undefined) => void): Column<Entry>[] {
  const text = useText();
  return useMemo(
    () => [
      { id: 'sequence', header: text('ledger.sequence'), cell: (entry) => entry.sequence },
      { id: 'at', header: text('ledger.at'), cell: (entry) => <Moment at={entry.at} /> },
      { id: 'action', header: text('ledger.action'), cell: (entry) => <span className="np-mono np-nowrap">{entry.action}</span> },
      { id: 'actor', header: text('ledger.actor'), cell: (entry) => entry.actor.name },
      {
        id: 'subject',
        header: text('ledger.subject'),
        cell: (entry) => (
          <>
            <span className="np-mono">{entry.subject}</span>
            <br />
            <span className="np-muted">{entry.details.map((detail) => `${detail.key}: ${detail.value}`).join(' · ')}</span>
          </>
        ),
      },
      {
        id: 'proof',
        header: text('ledger.proof'),
        cell: (entry) => (
          <Button
            size="compact-sm"
            variant="default"
            aria-expanded={opened === entry.id}
            aria-label={text('ledger.proof.check', { sequence: entry.sequence })}
            onClick={() => open(opened === entry.id ? undefined : entry.id)}
          >
            {text('ledger.proof.short')}
          </Button>
        ),
      },
    ],
    [open, opened, text],
  );
}
