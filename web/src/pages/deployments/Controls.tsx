import { Button, Group } from '@mantine/core';
import { lazy, Suspense, useState } from 'react';
import { useText, useWord } from '../../i18n/text.ts';
import type { Act } from './ControlDialog.tsx';
import type { Deployment } from './queries.ts';

const ControlDialog = lazy(() => import('./ControlDialog.tsx').then((module) => ({ default: module.ControlDialog })));

/** Which acts the state machine allows; the gateway decides, this only explains. */
const allowed: Record<Act, readonly string[]> = {
  pause: ['RUNNING', 'SCHEDULED'],
  halt: ['RUNNING', 'SCHEDULED', 'PAUSED'],
  resume: ['PAUSED', 'HALTED'],
  cancel: ['DRAFT', 'AWAITING_APPROVAL', 'SCHEDULED', 'RUNNING', 'PAUSED', 'HALTED'],
};

const acts = ['pause', 'halt', 'resume', 'cancel'] as const;

/** Pause, Halt, Resume, Cancel: always there, so that nobody has to look for them when it burns. */
export function Controls({ deployment, hostCount, refresh }: { deployment: Deployment; hostCount: number; refresh: () => void }) {
  const text = useText();
  const word = useWord();
  const [act, setAct] = useState<Act | null>(null);
  const off = text('deployment.control.off', { status: word('deployment', deployment.status) });
  return (
    <Group role="group" aria-label={text('deployment.controls')} gap="sm">
      {acts.map((one) => {
        const isAllowed = allowed[one].includes(deployment.status);
        return (
          <Button
            key={one}
            variant={one === 'pause' ? 'filled' : 'default'}
            color={one === 'pause' ? undefined : 'gray'}
            // Not `disabled`: it stays reachable by keyboard and can say why it does nothing.
            aria-disabled={!isAllowed}
            data-disabled={!isAllowed || undefined}
            title={isAllowed ? undefined : off}
            onClick={(event) => {
              if (isAllowed) setAct(one);
              else event.preventDefault();
            }}
          >
            {text(`deployment.${one}`)}
          </Button>
        );
      })}
      <Suspense fallback={null}>
        {act ? <ControlDialog act={act} deployment={deployment} hostCount={hostCount} refresh={refresh} onClose={() => setAct(null)} /> : null}
      </Suspense>
    </Group>
  );
}
