import { Button, Group, Stack, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useState } from 'react';
import { useChange } from '../../api/change.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Dialog } from '../../ui/Dialog.tsx';
import { NumberField } from '../../ui/NumberField.tsx';
import { Problem, Refusals } from '../../ui/Problem.tsx';
import { itemId, RequestApproval, type QueueItem } from './queries.ts';

/** Asks for approval of several patches at once, after saying how much they touch. */
export function RequestDialog({ items, onClose, onDone }: { items: readonly QueueItem[]; onClose: () => void; onDone: () => void }) {
  const text = useText();
  const organization = useOrganization();
  const [required, setRequired] = useState(1);
  const [done, setDone] = useState<readonly string[]>([]);
  const { run, errors, error, isBusy } = useChange(RequestApproval, (data) => data.approvalRequest);
  const left = items.filter((item) => !done.includes(itemId(item)));
  const sum = (count: (item: QueueItem) => number) => items.reduce((total, item) => total + count(item), 0);

  async function commit() {
    const asked = [...done];
    for (const item of left) {
      const ok = await run({ organizationId: item.organization?.id ?? organization.id, patchId: item.patch.id, required });
      if (!ok) {
        setDone(asked);
        return;
      }
      asked.push(itemId(item));
    }
    notifications.show({ message: text('queue.request.done', { count: items.length }), autoClose: 8000 });
    onClose();
    onDone();
  }

  return (
    <Dialog title={text('queue.request.title', { count: items.length })} onClose={onClose}>
      <Stack>
        <Text>
          {text('queue.request.scope', { organization: organization.name, hosts: sum((one) => one.hostCount), findings: sum((one) => one.findingCount) })}
        </Text>
        <ul style={{ margin: 0 }}>
          {left.map(({ patch, hostCount, findingCount, organization: owner }) => (
            <li key={`${owner?.id} ${patch.id}`}>
              {owner ? `${owner.name}: ` : ''}
              {patch.name} {patch.fixedVersion}: {text('queue.counts', { findings: findingCount, hosts: hostCount })}
            </li>
          ))}
        </ul>
        <NumberField label={text('queue.request.required')} description={text('queue.request.self')} min={1} max={5} value={required} onChange={setRequired} />
        <Refusals errors={errors} />
        {error ? <Problem error={error} title={text('problem.act')} /> : null}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {text('dialog.cancel')}
          </Button>
          <Button loading={isBusy} disabled={!(required >= 1 && required <= 5)} onClick={() => void commit()}>
            {text('queue.request.commit', { count: left.length })}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}
