import { Kbd, Modal, Stack, Switch } from '@mantine/core';
import { useText } from '../i18n/text.ts';
import type { Keys } from './useKeys.ts';

/** The keyboard shortcuts, and the switch for those of a single key. */
export function KeySheet({ keys }: { keys: Keys }) {
  const text = useText();
  const rows = [
    ['Ctrl K', text('keys.palette')],
    ['/', text('keys.filter')],
    ['?', text('keys.sheet')],
    ['g p q h a d l', text('keys.go')],
  ] as const;
  return (
    <Modal opened={keys.isSheetOpen} onClose={keys.closeSheet} title={text('keys.title')} closeButtonProps={{ 'aria-label': text('dialog.cancel') }}>
      <Stack>
        <dl className="np-facts">
          {rows.map(([key, what]) => (
            <div key={key} style={{ display: 'contents' }}>
              <dt>
                <Kbd>{key}</Kbd>
              </dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
        <Switch label={text('keys.single')} checked={keys.isOn} onChange={(event) => keys.setOn(event.currentTarget.checked)} />
      </Stack>
    </Modal>
  );
}
