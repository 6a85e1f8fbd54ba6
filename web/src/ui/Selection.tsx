import { Checkbox } from '@mantine/core';
import { useCallback, useMemo, useState } from 'react';
import { useText } from '../i18n/text.ts';

/** Which rows are selected. */
export interface Selection {
  ids: ReadonlySet<string>;
  set: (ids: readonly string[], isSelected: boolean) => void;
  clear: () => void;
}

/** Selection of a list. Acts use those of the page that is shown, since a person acts on what they see. */
export function useSelection(): Selection {
  const [ids, setIds] = useState<ReadonlySet<string>>(new Set());
  const set = useCallback((changed: readonly string[], isSelected: boolean) => {
    setIds((before) => {
      const after = new Set(before);
      for (const id of changed) {
        if (isSelected) after.add(id);
        else after.delete(id);
      }
      return after;
    });
  }, []);
  const clear = useCallback(() => setIds(new Set()), []);
  return useMemo(() => ({ ids, set, clear }), [ids, set, clear]);
}

/** Selects one row. */
export function SelectOne({ id, name, selection }: { id: string; name: string; selection: Selection }) {
  const text = useText();
  return (
    <Checkbox
      size="md"
      aria-label={text('table.select', { name })}
      checked={selection.ids.has(id)}
      onChange={(event) => selection.set([id], event.currentTarget.checked)}
    />
  );
}

/** Selects the rows of this page. */
export function SelectAll({ ids, selection }: { ids: readonly string[]; selection: Selection }) {
  const text = useText();
  const selected = ids.filter((id) => selection.ids.has(id)).length;
  return (
    <Checkbox
      size="md"
      aria-label={text('table.selectall')}
      checked={ids.length > 0 && selected === ids.length}
      indeterminate={selected > 0 && selected < ids.length}
      onChange={(event) => selection.set(ids, event.currentTarget.checked)}
    />
  );
}
