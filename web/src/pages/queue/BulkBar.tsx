import { Button, Group } from '@mantine/core';
import { lazy, Suspense, useState } from 'react';
import { useText } from '../../i18n/text.ts';
import type { QueueItem } from './queries.ts';

const PlanDialog = lazy(() => import('./PlanDialog.tsx').then((module) => ({ default: module.PlanDialog })));
const RequestDialog = lazy(() => import('./RequestDialog.tsx').then((module) => ({ default: module.RequestDialog })));

/** What can be done with the selected patches. */
export function BulkBar({ items, onDone }: { items: readonly QueueItem[]; onDone: () => void }) {
  const text = useText();
  const [dialog, setDialog] = useState<'request' | 'plan' | null>(null);
  const close = () => setDialog(null);
  return (
    <Group component="section" className="np-bulk" justify="space-between" aria-label={text('queue.selected', { count: items.length })}>
      <strong role="status">{text('queue.selected', { count: items.length })}</strong>
      <Group gap="sm">
        <Button variant="subtle" onClick={onDone}>
          {text('queue.unselect')}
        </Button>
        <Button variant="default" onClick={() => setDialog('request')}>
          {text('queue.approve')}
        </Button>
        <Button onClick={() => setDialog('plan')}>{text('queue.deploy')}</Button>
      </Group>
      <Suspense fallback={null}>
        {dialog === 'request' ? <RequestDialog items={items} onClose={close} onDone={onDone} /> : null}
        {dialog === 'plan' ? <PlanDialog items={items} onClose={close} /> : null}
      </Suspense>
    </Group>
  );
}
