import { NativeSelect, Switch } from '@mantine/core';
import { useText } from '../i18n/text.ts';

interface Search {
  overdue?: boolean | undefined;
  order?: 'deadline' | undefined;
}

/** The order as the API takes it; by risk unless the address says otherwise. */
export const orderBy = (order: Search['order']) => ({ field: order === 'deadline' ? ('DEADLINE' as const) : ('RISK' as const) });

/** Only what is overdue, and whether the earliest date or the highest risk comes first. */
export function DueChoice({ search, change }: { search: Search; change: (part: Search) => void }) {
  const text = useText();
  return (
    <>
      <NativeSelect
        label={text('due.order')}
        value={search.order ?? ''}
        data={[
          { value: '', label: text('due.order.risk') },
          { value: 'deadline', label: text('due.order.deadline') },
        ]}
        onChange={(event) => change({ order: event.currentTarget.value === 'deadline' ? 'deadline' : undefined })}
      />
      <Switch mb={8} label={text('due.overdue.only')} checked={search.overdue ?? false} onChange={(event) => change({ overdue: event.currentTarget.checked || undefined })} />
    </>
  );
}
