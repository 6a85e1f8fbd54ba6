import { useCallback } from 'react';
import { useIntl } from 'react-intl';
import { messages, type MessageId } from './messages.ts';

type Values = Record<string, string | number | Date>;

/** The text of a message in the reader's language. */
export function useText() {
  const intl = useIntl();
  return useCallback((id: MessageId, values?: Values): string => intl.formatMessage({ id }, values), [intl]);
}

/** The word for a value of an enumeration; a value that this version does not know is shown as it is. */
export function useWord() {
  const text = useText();
  return useCallback(
    (family: string, value: string): string => {
      const id = `${family}.${value}`;
      return id in messages ? text(id as MessageId) : value.toLowerCase().replaceAll('_', ' ');
    },
    [text],
  );
}

export type { MessageId };
