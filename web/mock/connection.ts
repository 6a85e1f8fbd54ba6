/** Arguments of every list. */
export interface PageArgs {
  first: number;
  after?: string | null;
}

/** A page of a list; the cursor is the position. */
export function connection<Row>(rows: readonly Row[], { first, after }: PageArgs) {
  const start = after ? Number(atob(after)) + 1 : 0;
  const nodes = rows.slice(start, start + first);
  const edges = nodes.map((node, at) => ({ cursor: btoa(String(start + at)), node }));
  return {
    edges,
    nodes,
    pageInfo: {
      hasNextPage: start + first < rows.length,
      hasPreviousPage: start > 0,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
    totalCount: { value: Math.min(rows.length, 10_000), isCapped: rows.length > 10_000, display: rows.length > 10_000 ? '10,000+' : rows.length.toLocaleString('en') },
  };
}
