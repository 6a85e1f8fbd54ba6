import { Button, Stack } from '@mantine/core';
import { lazy, Suspense, useState } from 'react';
import { useText } from '../../i18n/text.ts';
import type { Site } from './queries.ts';

const MirrorsDialog = lazy(() => import('./MirrorsDialog.tsx').then((module) => ({ default: module.MirrorsDialog })));

/** Where the site's relays fetch, of repositories that are not fetched from where hosts name them. */
export function MirrorLines({ site }: { site: Site }) {
  const text = useText();
  const [isOpen, setOpen] = useState(false);
  return (
    <Stack gap={4} align="flex-start">
      {site.mirrors.length === 0 ? <span className="np-muted">{text('sites.mirrors.none')}</span> : null}
      {site.mirrors.map(({ repository, urls }) => (
        <div key={repository}>{text('sites.mirrors.of', { repository, urls: urls.join(', ') })}</div>
      ))}
      {site.upstreams.length > 0 ? (
        <Button variant="default" size="xs" onClick={() => setOpen(true)} aria-label={`${text('sites.mirrors.change')}: ${site.name}`}>
          {text('sites.mirrors.change')}
        </Button>
      ) : null}
      <Suspense fallback={null}>{isOpen ? <MirrorsDialog site={site} onClose={() => setOpen(false)} /> : null}</Suspense>
    </Stack>
  );
}
