/** Rows of one page of a list that came as a whole. */
const size = 50;

/** The page that begins at `after`, a number as text; what is no number begins at the front. */
export function part<Row>(all: readonly Row[], after: string | undefined): { rows: readonly Row[]; next: string | null } {
  const from = after && /^\d{1,6}$/.test(after) ? Number(after) : 0;
  const end = from + size;
  return { rows: all.slice(from, end), next: end < all.length ? String(end) : null };
}
