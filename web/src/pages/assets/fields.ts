import type { Asset } from './queries.ts';
import { criticalities } from '../../ui/status.tsx';

/** The fields of a form: texts, as a person types them. */
export interface AssetDraft {
  inventoryNumber: string;
  owner: string;
  department: string;
  location: string;
  tier: string;
  serial: string;
  vendor: string;
  model: string;
  criticality: string;
  tags: string;
  warrantyEnd: string;
  endOfLife: string;
}

/** The texts that an asset has, in the order of the form. */
export const texts = ['owner', 'department', 'location', 'tier', 'inventoryNumber', 'serial', 'vendor', 'model'] as const;
/** Its days. */
export const days = ['warrantyEnd', 'endOfLife'] as const;

/** What is known, for a form. */
export function draftOf(asset: Asset | null | undefined): AssetDraft {
  return {
    inventoryNumber: asset?.inventoryNumber ?? '',
    owner: asset?.owner ?? '',
    department: asset?.department ?? '',
    location: asset?.location ?? '',
    tier: asset?.tier ?? '',
    serial: asset?.serial ?? '',
    vendor: asset?.vendor ?? '',
    model: asset?.model ?? '',
    criticality: asset?.criticality ?? '',
    tags: (asset?.tags ?? []).join(', '),
    warrantyEnd: asset?.warrantyEnd ?? '',
    endOfLife: asset?.endOfLife ?? '',
  };
}

const listed = (tags: string) => [...new Set(tags.split(',').map((tag) => tag.trim()).filter(Boolean))].sort();

/** What a person changed: only that is sent, so that nothing else is overwritten. A text that was emptied is null, which clears it. */
export function changesOf(before: AssetDraft, after: AssetDraft) {
  const changes: Record<string, string | string[] | null> = {};
  for (const name of [...texts, ...days]) {
    const value = after[name].trim();
    if (value !== before[name]) changes[name] = value || null;
  }
  if (after.criticality !== before.criticality) changes['criticality'] = criticalities.find((one) => one === after.criticality) ?? null;
  const tags = listed(after.tags);
  if (tags.join('\n') !== listed(before.tags).join('\n')) changes['tags'] = tags;
  return changes;
}
