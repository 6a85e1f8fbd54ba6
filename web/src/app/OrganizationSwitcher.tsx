import { Button, Menu } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { ChevronDown } from 'lucide-react';
import { useText } from '../i18n/text.ts';
import { useOrganizations } from './organization.ts';

/** Which organization the pages are about; always visible, and in the address. */
export function OrganizationSwitcher() {
  const text = useText();
  const { organization, all } = useOrganizations();
  return (
    <Menu position="bottom-start" withinPortal>
      <Menu.Target>
        <Button
          variant="default"
          rightSection={<ChevronDown size={14} aria-hidden />}
          aria-label={text('organization.switch', { name: organization.name })}
          maw="45vw"
        >
          {organization.name}
        </Button>
      </Menu.Target>
      <Menu.Dropdown mah="70vh" style={{ overflowY: 'auto' }}>
        {all.map((one) => (
          <Menu.Item
            key={one.id}
            renderRoot={(props: object) => <Link {...props} to="/o/$org/posture" params={{ org: one.slug }} />}
            fw={one.id === organization.id ? 700 : undefined}
          >
            {one.name} <span className="np-muted">{text(one.kind === 'PARTNER' ? 'organization.partner' : 'organization.customer')}</span>
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
