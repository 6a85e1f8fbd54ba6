import { connection, type PageArgs } from './connection.ts';
import type { World } from './world.ts';

/** An asset of the mock platform; texts that nobody gave are null. */
type Fields = Record<string, string | string[] | null | undefined>;
interface MockAsset {
  id: string;
  fields: Fields;
  host: string | null;
  candidates: string[];
  revision: number;
}
interface Input {
  idempotencyKey: string;
  id?: string;
  ifMatch?: string;
  fields: Fields;
}

const departments = ['Finance', 'Research', 'IT'];
const criticalities = ['CRITICAL', 'HIGH', null, 'LOW'];

/** What is known of machines besides what agents report: most of the first hosts, one that waits, one that fits two. */
export class Assets {
  all: MockAsset[];

  constructor(private world: World) {
    this.all = world.hosts.slice(1, 60).map((host, at) => ({
      id: `asset_${String(at).padStart(4, '0')}`,
      host: host.id,
      candidates: [],
      revision: 1,
      fields: {
        inventoryNumber: `A-${1000 + at}`, hostname: host.hostname, serial: `5CG${200_000 + at}`, vendor: 'Example Computers', model: 'R740', owner: at % 3 ? 'Ada Muster' : null,
        department: departments[at % 3], location: `Rack ${at % 8}`, tier: 'server', criticality: criticalities[at % 4], tags: at % 5 ? [] : ['pci'], warrantyEnd: '2027-03-31', endOfLife: null,
      },
    }));
    const [first, second] = world.hosts;
    this.all.push({ id: 'asset_9001', host: null, candidates: [], revision: 1, fields: { inventoryNumber: 'A-9001', hostname: 'ordered-but-not-here', department: 'IT', tags: [] } });
    this.all.push({ id: 'asset_9002', host: null, candidates: [first?.id ?? '', second?.id ?? ''], revision: 1, fields: { inventoryNumber: 'A-9002', hostname: 'twins', tags: [] } });
  }

  private show = (asset: MockAsset) => {
    const host = (id: string) => {
      const found = this.world.hosts.find((one) => one.id === id);
      return found ? this.world.host(found) : null;
    };
    const found = this.world.hosts.find((one) => one.id === asset.host);
    const texts = ['inventoryNumber', 'serial', 'vendor', 'model', 'owner', 'department', 'location', 'tier', 'criticality', 'warrantyEnd', 'endOfLife'];
    return {
      __typename: 'Asset', id: asset.id, etag: String(asset.revision), ...Object.fromEntries(texts.map((name) => [name, asset.fields[name] ?? null])),
      hostname: asset.fields['hostname'] ?? found?.hostname ?? '', tags: asset.fields['tags'] ?? [], origin: 'CSV', linkState: asset.host ? 'LINKED' : asset.candidates.length > 0 ? 'AMBIGUOUS' : 'UNLINKED',
      linkRule: asset.host ? 'HOSTNAME' : null, site: () => (found ? this.world.site(found.site) : null), host: () => (asset.host ? host(asset.host) : null), candidates: () => asset.candidates.map(host),
    };
  };

  /** The asset of a host. */
  of(host: string) {
    const found = this.all.find((one) => one.host === host);
    return found ? this.show(found) : null;
  }

  list(args: PageArgs & { filter?: Record<string, unknown> }) {
    const filter = args.filter ?? {};
    if (filter['organizationId'] && filter['organizationId'] !== 'org_acme') return connection([], args);
    const one = (name: string) => (filter[name] as string[] | undefined)?.[0];
    const text = String(filter['textContains'] ?? '').toLowerCase();
    const rows = this.all.map(this.show).filter((asset) => {
      const fields = asset as Record<string, unknown>;
      return (
        (!text || `${String(fields['hostname'])} ${String(fields['inventoryNumber'])} ${String(fields['serial'])}`.toLowerCase().includes(text)) &&
        (!one('link') || fields['linkState'] === one('link')) &&
        (!one('department') || fields['department'] === one('department')) &&
        (!one('criticality') || fields['criticality'] === one('criticality'))
      );
    });
    return connection(rows, args);
  }

  upsert(input: Input, refuse: (typename: string, code: string, message: string) => object) {
    return this.world.once(input.idempotencyKey, () => {
      const { hostId, ...fields } = input.fields;
      let asset = this.all.find((one) => one.id === input.id);
      if (asset && input.ifMatch && input.ifMatch !== String(asset.revision)) return { asset: null, outcome: null, userErrors: [refuse('ConflictError', 'CONFLICT', 'the asset changed')] };
      const outcome = asset ? 'CHANGED' : 'CREATED';
      if (!asset) {
        asset = { id: this.world.fresh('asset'), host: typeof hostId === 'string' ? hostId : null, candidates: [], revision: 0, fields: {} };
        this.all.push(asset);
      }
      Object.assign(asset.fields, fields);
      asset.revision += 1;
      return { asset: this.show(asset), outcome, userErrors: [] };
    });
  }
}

/** What the mock says to a file: it looks for words that are no criticality, and counts lines. */
export function importFile(text: string, isDryRun: boolean) {
  const lines = text.trim().split(/\r?\n/);
  const column = (lines[0] ?? '').split(',').indexOf('criticality');
  const errors = lines.slice(1).flatMap((line, at) => {
    const word = column < 0 ? '' : (line.split(',')[column] ?? '');
    return !word || ['critical', 'high', 'medium', 'low'].includes(word)
      ? []
      : [{ line: at + 2, column: 'criticality', message: `"${word}" is no criticality`, remedy: 'write critical, high, medium or low' }];
  });
  const isFine = errors.length === 0;
  const done = { created: isFine ? lines.length - 1 : 0, changed: 0, unchanged: 0, ambiguous: 0, isDryRun, isWritten: isFine && !isDryRun, ignoredColumns: [], errorCount: errors.length, errors };
  return { status: isFine || isDryRun ? 200 : 422, done };
}
