import { Modal } from '@mantine/core';
import { useEffect, useState, type ReactNode } from 'react';
import { useText } from '../i18n/text.ts';

/** A dialog that is open as long as it is rendered. Focus goes in, stays in, and returns. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  const text = useText();
  const [opener] = useState(() => document.activeElement);
  // Mantine returns the focus of a dialog that closes, not of one that is gone at once.
  useEffect(() => () => void (opener instanceof HTMLElement && opener.focus({ preventScroll: true })), [opener]);
  return (
    <Modal opened onClose={onClose} returnFocus={false} title={<strong>{title}</strong>} size="lg" closeButtonProps={{ 'aria-label': text('dialog.cancel') }}>
      {children}
    </Modal>
  );
}
