import type { Liveness } from '../../api/connection.ts';
import { useText } from '../../i18n/text.ts';
import { Mark, type Tone } from '../../ui/Mark.tsx';

const tones: Record<Liveness, Tone> = { idle: 'calm', live: 'live', 'catching-up': 'wait', offline: 'unknown' };

/** Whether what is shown is live. */
export function LivePill({ state }: { state: Liveness }) {
  const text = useText();
  return <Mark tone={tones[state]}>{text(`live.${state}`)}</Mark>;
}
