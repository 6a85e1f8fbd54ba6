import { Modal } from '@mantine/core';
import type { ReactNode } from 'react';
import { useText } from '../i18n/text.ts';

/** A dialog that is open as long as it is rendered. Focus goes in, stays in, and returns. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  const text = useText();
  return (
    <Modal opened onClose={onClose} title={<strong>{title}</strong>} size="lg" closeButtonProps={{ 'aria-label': text('dialog.cancel') }}>
      {children}
    </Modal>
  );
}
