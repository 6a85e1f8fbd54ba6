/** What a mark says beyond its word. */
export type Tone = 'critical' | 'high' | 'unknown' | 'medium' | 'low' | 'good' | 'bad' | 'wait' | 'calm' | 'live';

const glyphs: Record<Tone, string> = {
  critical: '◆',
  high: '▲',
  unknown: '?',
  medium: '●',
  low: '▽',
  good: '✓',
  bad: '✕',
  wait: '◷',
  calm: '–',
  live: '▶',
};

/** Colour, glyph and word: never colour alone. */
export function Mark({ tone, children }: { tone: Tone; children: string }) {
  return (
    <span className={`np-mark np-tone-${tone}`}>
      <span aria-hidden="true">{glyphs[tone]}</span>
      {children}
    </span>
  );
}
