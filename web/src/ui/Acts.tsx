import { Button, Group } from '@mantine/core';
import type { CombinedError } from 'urql';
import { useText } from '../i18n/text.ts';
import { Problem, Refusals } from './Problem.tsx';

interface Props {
  label: string;
  change: { errors: readonly { code: string; message: string }[]; error: CombinedError | undefined; isBusy: boolean };
  isOff?: boolean;
  onCommit: () => void;
  onCancel?: () => void;
}

/** The end of a form: what was refused, the button that does it, and the way back. */
export function Acts({ label, change, isOff, onCommit, onCancel }: Props) {
  const text = useText();
  return (
    <>
      <Refusals errors={change.errors} />
      {change.error ? <Problem error={change.error} title={text('problem.act')} /> : null}
      <Group>
        <Button loading={change.isBusy} disabled={isOff ?? false} onClick={onCommit}>
          {label}
        </Button>
        {onCancel ? (
          <Button variant="default" onClick={onCancel}>
            {text('dialog.cancel')}
          </Button>
        ) : null}
      </Group>
    </>
  );
}
