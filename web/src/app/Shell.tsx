import { ActionIcon, AppShell, Burger, Group, NavLink, Text, useMantineColorScheme, useComputedColorScheme } from '@mantine/core';
import { useDisclosure, useHotkeys, useReducedMotion } from '@mantine/hooks';
import { Link, useLocation } from '@tanstack/react-router';
import { Moon, Search, Sun } from 'lucide-react';
import { lazy, Suspense, useState, type ReactNode } from 'react';
import { useText } from '../i18n/text.ts';
import { AccountMenu } from './AccountMenu.tsx';
import { DelegationBand } from './DelegationBand.tsx';
import { Freshness } from './Freshness.tsx';
import { useOrganization } from './organization.ts';
import { OrganizationSwitcher } from './OrganizationSwitcher.tsx';
import { pages } from './pages.ts';
import { useKeys } from './useKeys.ts';

// Not needed for the first content, so they come after it.
const loadPalette = () => import('./Palette.tsx');
const Palette = lazy(() => loadPalette().then((module) => ({ default: module.Palette })));
const KeySheet = lazy(() => import('./KeySheet.tsx').then((module) => ({ default: module.KeySheet })));

function openPalette() {
  void loadPalette().then((module) => module.openPalette());
}

/** Everything around a page: header, navigation, freshness, palette. */
export function Shell({ children }: { children: ReactNode }) {
  const text = useText();
  const { slug } = useOrganization();
  const { pathname } = useLocation();
  const [isMenuOpen, { toggle, close }] = useDisclosure(false);
  const keys = useKeys(slug);
  const isStill = useReducedMotion();
  useHotkeys([['mod+K', openPalette]], []);
  // A menu over the page that was chosen in it would hide it.
  const [shownPath, setShownPath] = useState(pathname);
  if (shownPath !== pathname) {
    setShownPath(pathname);
    close();
  }

  return (
    <AppShell header={{ height: 56 }} navbar={{ width: 210, breakpoint: 'sm', collapsed: { mobile: !isMenuOpen } }} padding="md" transitionDuration={isStill ? 0 : 200}>
      <a className="np-skip" href="#content">
        {text('app.skip')}
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group wrap="nowrap" gap="sm">
            <Burger opened={isMenuOpen} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={text('nav.open')} />
            <Text fw={800} visibleFrom="sm">
              {text('app.name')}
            </Text>
            <OrganizationSwitcher />
          </Group>
          <Group wrap="nowrap" gap="xs">
            <ActionIcon variant="default" size="lg" onClick={openPalette} aria-label={text('palette.open')} title="Ctrl K">
              <Search size={18} aria-hidden />
            </ActionIcon>
            <SchemeToggle />
            <AccountMenu />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label={text('nav.label')}>
        {pages.map(({ to, label, icon: Icon }) => (
          <NavLink
            key={to}
            label={text(label)}
            leftSection={<Icon size={16} aria-hidden />}
            active={pathname.startsWith(to.replace('$org', slug))}
            aria-current={pathname.startsWith(to.replace('$org', slug)) ? 'page' : undefined}
            renderRoot={(props: object) => <Link {...props} to={to} params={{ org: slug }} />}
          />
        ))}
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
        <DelegationBand />
        <Freshness />
        {children}
      </AppShell.Main>
      <Suspense fallback={null}>
        <Palette onSheet={keys.openSheet} />
        <KeySheet keys={keys} />
      </Suspense>
    </AppShell>
  );
}

function SchemeToggle() {
  const text = useText();
  const { setColorScheme } = useMantineColorScheme();
  const other = useComputedColorScheme('light') === 'dark' ? 'light' : 'dark';
  return (
    <ActionIcon variant="default" size="lg" onClick={() => setColorScheme(other)} aria-label={text('scheme.toggle', { scheme: other })}>
      {other === 'dark' ? <Moon size={18} aria-hidden /> : <Sun size={18} aria-hidden />}
    </ActionIcon>
  );
}
