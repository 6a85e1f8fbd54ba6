import type { ReactNode } from 'react';
import { SelectAll, SelectOne, type Selection } from './Selection.tsx';

/** One column. The first one names its row. */
export interface Column<Row> {
  id: string;
  header: string;
  cell: (row: Row) => ReactNode;
  isNumber?: boolean;
}

interface Props<Row> {
  caption: string;
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  rowId: (row: Row) => string;
  rowName: (row: Row) => string;
  selection?: Selection;
  total?: number | undefined;
}

/** A table of one page of rows: plain HTML, so that every reader, printer and search of the browser understands it. */
export function DataTable<Row>({ caption, rows, columns, rowId, rowName, selection, total }: Props<Row>) {
  const ids = rows.map(rowId);
  return (
    // A region that scrolls must be reachable by keyboard (WCAG 2.1.1).
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="np-table-frame" role="region" aria-label={caption} tabIndex={0}>
      <table className="np-table" aria-rowcount={total === undefined ? -1 : total + 1}>
        <caption className="np-hidden">{caption}</caption>
        <thead>
          <tr>
            {selection ? (
              <th scope="col">
                <SelectAll ids={ids} selection={selection} />
              </th>
            ) : null}
            {columns.map((column) => (
              <th key={column.id} scope="col" className={column.isNumber ? 'np-num' : undefined}>
                {column.header}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowId(row)} data-selected={selection?.ids.has(rowId(row)) || undefined}>
              {selection ? (
                <td>
                  <SelectOne id={rowId(row)} name={rowName(row)} selection={selection} />
                </td>
              ) : null}
              {columns.map((column, at) =>
                at === 0 ? (
                  <th key={column.id} scope="row">
                    {column.cell(row)}
                  </th>
                ) : (
                  <td key={column.id} className={column.isNumber ? 'np-num' : undefined}>
                    {column.cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
