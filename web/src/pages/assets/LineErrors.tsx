import { Text } from '@mantine/core';
import { useMemo } from 'react';
import { useText } from '../../i18n/text.ts';
import { DataTable, type Column } from '../../ui/DataTable.tsx';
import type { Imported } from './upload.ts';

type Row = Imported['errors'][number];

/** What is wrong with a file, line by line, and what to do. */
export function LineErrors({ count, errors }: { count: number; errors: readonly Row[] }) {
  const text = useText();
  const columns: Column<Row>[] = useMemo(
    () => [
      { id: 'line', header: text('assets.import.line'), cell: (row) => row.line },
      { id: 'column', header: text('assets.import.column'), cell: (row) => row.column || '–' },
      { id: 'message', header: text('assets.import.wrong'), cell: (row) => <span className="np-sentence">{row.message}</span> },
      { id: 'remedy', header: text('assets.import.remedy'), cell: (row) => <span className="np-sentence">{row.remedy}</span> },
    ],
    [text],
  );
  return (
    <div role="alert">
      <Text mb="xs">{text('assets.import.errors', { count, shown: errors.length })}</Text>
      <DataTable
        caption={text('assets.import.errors.caption')}
        rows={errors}
        columns={columns}
        rowId={(row) => `${row.line} ${row.column} ${row.message}`}
        rowName={(row) => String(row.line)}
      />
    </div>
  );
}
