import { Text } from '@mantine/core';
import { useIntl } from 'react-intl';
import { useText } from '../../i18n/text.ts';
import type { Step } from '../../proof/ledger.ts';
import { Mark } from '../../ui/Mark.tsx';

/** The steps of a check, what came of each, and when it was made here. */
export function Steps({ steps, at }: { steps: readonly Step[]; at: Date }) {
  const text = useText();
  const intl = useIntl();
  const holds = steps.every((step) => step.holds !== false);
  const isWhole = steps.every((step) => step.holds === true);
  const when = intl.formatTime(at, { timeStyle: 'medium' });
  return (
    <div role="status">
      <p>
        <Mark tone={holds ? (isWhole ? 'good' : 'wait') : 'critical'}>{holds ? text('ledger.verified', { when }) : text('ledger.refused')}</Mark>
      </p>
      <ul className="np-steps">
        {steps.map((step) => (
          <li key={step.name}>
            <Mark tone={step.holds === null ? 'wait' : step.holds ? 'good' : 'critical'}>{step.holds === null ? '…' : step.holds ? 'ok' : 'no'}</Mark> {text(`ledger.step.${step.name}`, step.values)}
          </li>
        ))}
      </ul>
      {isWhole || !holds ? null : <Text>{text('ledger.unable')}</Text>}
    </div>
  );
}
