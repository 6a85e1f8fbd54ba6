import { useWord } from '../i18n/text.ts';
import { Mark, type Tone } from './Mark.tsx';

const tones: Record<string, Record<string, Tone>> = {
  severity: { CRITICAL: 'critical', HIGH: 'high', UNKNOWN: 'unknown', MEDIUM: 'medium', LOW: 'low' },
  host: { COMPLIANT: 'good', NON_COMPLIANT: 'bad', REBOOT_PENDING: 'wait', UNKNOWN_STALE: 'unknown', EXCEPTION: 'calm' },
  approval: { AWAITING: 'wait', APPROVED: 'good', DECLINED: 'bad', BANNED: 'bad', DEFERRED: 'calm', EXPIRED: 'calm' },
  deployment: {
    DRAFT: 'calm', AWAITING_APPROVAL: 'wait', SCHEDULED: 'wait', RUNNING: 'live', PAUSED: 'wait', HALTED: 'bad', COMPLETED: 'good', CANCELLED: 'calm',
  },
  wave: { WAITING: 'wait', OPEN: 'live', CLOSING: 'live', PASSED: 'good', FAILED: 'bad' },
  run: {
    SUCCEEDED: 'good', FAILED: 'bad', ROLLED_BACK: 'bad', ROLLBACK_FAILED: 'critical', REFUSED: 'bad', SILENT: 'unknown',
    EXPIRED: 'calm', CANCELLED: 'calm', REBOOT_PENDING: 'wait', WAITING_FOR_WINDOW: 'wait', OFFERED: 'wait',
  },
  applicability: { INSTALLABLE: 'good', PHASED: 'wait', HELD: 'wait', APPLICABLE: 'calm', NO_FIX_YET: 'unknown', PENDING_REBOOT: 'wait', SUPERSEDED: 'calm' },
  link: { LINKED: 'good', UNLINKED: 'calm', AMBIGUOUS: 'wait' },
  relay: { ONLINE: 'good', DEGRADED: 'wait', OFFLINE: 'bad', UNCLAIMED: 'calm' },
  report: { RUNNING: 'live', READY: 'good', FAILED: 'bad' },
};

/** A value of an enumeration as a mark. */
export function Status({ of, value }: { of: string; value: string }) {
  const word = useWord();
  const fallback: Tone = of === 'run' ? 'live' : 'calm';
  return <Mark tone={tones[of]?.[value] ?? fallback}>{word(of, value)}</Mark>;
}

/** Most critical first. */
export const criticalities = ['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'] as const;

/** Whether an asset belongs to a host. */
export const linkStates = ['LINKED', 'UNLINKED', 'AMBIGUOUS'] as const;

/** Worst first. */
export const severities = ['CRITICAL', 'HIGH', 'UNKNOWN', 'MEDIUM', 'LOW'] as const;

/** The vendor's word for how bad it is. */
export function SeverityMark({ value }: { value: string }) {
  return <Status of="severity" value={value} />;
}
