import { Button, Group, Stack, Textarea } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useState } from 'react';
import { useChange } from '../../api/change.ts';
import { useText, useWord } from '../../i18n/text.ts';
import { Problem, Refusals } from '../../ui/Problem.tsx';
import { DecideApproval, type Approval } from './queries.ts';
import { SelfApproval } from './SelfApproval.tsx';

type Verdict = 'APPROVE' | 'DECLINE' | 'DEFER';

/** Approve, decline or defer, with a reason. */
export function DecisionForm({ approval }: { approval: Approval }) {
  const text = useText();
  const word = useWord();
  const [reason, setReason] = useState('');
  const [isMissing, setMissing] = useState(false);
  const { run, errors, error, isBusy } = useChange(DecideApproval, (data) => data.approvalDecide);
  const isSelf = errors.some((one) => one.code === 'SELF_APPROVAL');

  async function decide(verdict: Verdict) {
    if (verdict !== 'APPROVE' && !reason.trim()) {
      setMissing(true);
      return;
    }
    setMissing(false);
    const data = await run({ id: approval.id, verdict, reason: reason.trim() });
    if (data) notifications.show({ message: text('approval.done', { title: approval.title, verdict: word('verdict', verdict) }), autoClose: 8000 });
  }

  return (
    <Stack mt="md" gap="sm">
      <Textarea
        label={text('dialog.reason')}
        description={text('approval.reason.hint')}
        value={reason}
        maxLength={2000}
        autosize
        minRows={2}
        onChange={(event) => setReason(event.currentTarget.value)}
        error={isMissing ? text('dialog.reason.missing') : undefined}
      />
      {isSelf ? <SelfApproval /> : <Refusals errors={errors} />}
      {error ? <Problem error={error} title={text('problem.act')} /> : null}
      <Group>
        <Button loading={isBusy} onClick={() => void decide('APPROVE')}>
          {text('approval.approve')}
        </Button>
        <Button variant="default" disabled={isBusy} onClick={() => void decide('DEFER')}>
          {text('approval.defer')}
        </Button>
        <Button variant="default" disabled={isBusy} onClick={() => void decide('DECLINE')}>
          {text('approval.decline')}
        </Button>
      </Group>
    </Stack>
  );
}
