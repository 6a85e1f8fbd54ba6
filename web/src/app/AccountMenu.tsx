import { ActionIcon, Menu } from '@mantine/core';
import { User } from 'lucide-react';
import { signOut } from '../api/session.ts';
import { useText } from '../i18n/text.ts';
import { usePerson } from './person.ts';

/** Ends the session and forgets everything that was loaded. */
export async function leave() {
  await signOut();
  location.assign('/sign-in');
}

/** Who is signed in, and the way out. */
export function AccountMenu() {
  const text = useText();
  const person = usePerson();
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <ActionIcon variant="default" size="lg" aria-label={text('account.label', { name: person.name })}>
          <User size={18} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label c="inherit">{person.email}</Menu.Label>
        <Menu.Item onClick={() => void leave()}>{text('account.signout')}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
