/** `key=value` pairs as people type them, separated by commas or blanks; null: something is no pair. */
export function readLabels(typed: string): { key: string; value: string }[] | null {
  const pairs = typed.split(/[\s,]+/).filter(Boolean);
  const labels = pairs.map((pair) => {
    const [key = '', ...rest] = pair.split('=');
    return { key, value: rest.join('=') };
  });
  return labels.every(({ key, value }) => key && value) ? labels : null;
}
