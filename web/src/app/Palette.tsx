import { useMantineColorScheme, useComputedColorScheme } from '@mantine/core';
import { createSpotlight, Spotlight } from '@mantine/spotlight';
import { useNavigate } from '@tanstack/react-router';
import { useText } from '../i18n/text.ts';
import { leave } from './AccountMenu.tsx';
import { useOrganizations } from './organization.ts';
import { pages } from './pages.ts';

const [store, spotlight] = createSpotlight();

/** Opens the palette. */
export const openPalette = () => spotlight.open();

/** Ctrl-K: go to a page, switch organization, act. */
export function Palette({ onSheet }: { onSheet: () => void }) {
  const text = useText();
  const navigate = useNavigate();
  const { organization, all } = useOrganizations();
  const { setColorScheme } = useMantineColorScheme();
  const other = useComputedColorScheme('light') === 'dark' ? 'light' : 'dark';

  const goto = pages.map(({ to, label }) => ({
    id: to,
    label: text(label),
    onClick: () => void navigate({ to, params: { org: organization.slug } }),
  }));
  const others = all.map((one) => ({
    id: one.id,
    label: one.name,
    onClick: () => void navigate({ to: '/o/$org/posture', params: { org: one.slug } }),
  }));
  const acts = [
    { id: 'sheet', label: text('palette.shortcuts'), onClick: onSheet },
    { id: 'scheme', label: text('palette.scheme'), onClick: () => setColorScheme(other) },
    { id: 'leave', label: text('palette.signout'), onClick: () => void leave() },
  ];
  return (
    <Spotlight
      store={store}
      // The shell listens for the keys, since it is there before this is loaded.
      shortcut={null}
      nothingFound={text('palette.empty', { query: '' })}
      searchProps={{ 'aria-label': text('palette.open'), placeholder: text('palette.open') }}
      scrollable
      maxHeight={420}
      actions={[
        { group: text('palette.pages'), actions: goto },
        { group: text('palette.organizations'), actions: others },
        { group: text('palette.acts'), actions: acts },
      ]}
    />
  );
}
