import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useText, useWord } from '../../i18n/text.ts';
import type { Column } from '../../ui/DataTable.tsx';
import { Status } from '../../ui/status.tsx';
import type { AssetRow } from './queries.ts';

/** The columns of the list of assets. */
export function useAssetColumns(org: string): Column<AssetRow>[] {
  const text = useText();
  const word = useWord();
  return useMemo(
    () => [
      {
        id: 'name',
        header: text('asset.name'),
        cell: (asset) => (
          <>
            <span className="np-nowrap">{asset.hostname || asset.inventoryNumber || asset.serial}</span>
            <br />
            <span className="np-muted" style={{ fontWeight: 400 }}>
              {[asset.inventoryNumber, asset.serial].filter(Boolean).join(' · ')}
            </span>
          </>
        ),
      },
      {
        id: 'host',
        header: text('asset.host'),
        cell: (asset) => (
          <>
            <Status of="link" value={asset.linkState} />{' '}
            {(asset.host ? [asset.host] : asset.candidates).map((host) => (
              <Link key={host.id} className="np-link np-nowrap" to="/o/$org/hosts/$host" params={{ org, host: host.id }} style={{ marginRight: 8 }}>
                {host.hostname}
              </Link>
            ))}
          </>
        ),
      },
      { id: 'machine', header: text('asset.machine'), cell: (asset) => [asset.vendor, asset.model].filter(Boolean).join(' ') || '–' },
      { id: 'owner', header: text('asset.owner'), cell: (asset) => asset.owner ?? '–' },
      { id: 'department', header: text('asset.department'), cell: (asset) => asset.department ?? '–' },
      { id: 'location', header: text('asset.location'), cell: (asset) => [asset.site?.name, asset.location].filter(Boolean).join(', ') || '–' },
      { id: 'criticality', header: text('asset.criticality'), cell: (asset) => (asset.criticality ? word('criticality', asset.criticality) : '–') },
      { id: 'warranty', header: text('asset.warrantyEnd'), cell: (asset) => asset.warrantyEnd ?? '–' },
      { id: 'eol', header: text('asset.endOfLife'), cell: (asset) => asset.endOfLife ?? '–' },
    ],
    [org, text, word],
  );
}
