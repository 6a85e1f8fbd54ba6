// What a first visit and each further page may cost, gzip kB of JavaScript. Fails when a budget is exceeded.
import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';

const firstRouteKb = 250;
const lazyRouteKb = 60;
const dist = new URL('../dist/', import.meta.url);
const manifest = JSON.parse(await readFile(new URL('.vite/manifest.json', dist), 'utf8'));

const sizes = new Map();
for (const { file } of Object.values(manifest)) {
  if (file.endsWith('.js')) sizes.set(file, gzipSync(await readFile(new URL(file, dist))).length / 1000);
}

/** The file of a chunk and of everything that it imports before it can run. */
function files(key, found = new Set()) {
  const chunk = manifest[key];
  if (found.has(chunk.file)) return found;
  found.add(chunk.file);
  for (const one of chunk.imports ?? []) files(one, found);
  return found;
}

const sum = (set) => [...set].reduce((total, file) => total + (sizes.get(file) ?? 0), 0);
const entry = files('index.html');
let isOver = false;
for (const [key, chunk] of Object.entries(manifest)) {
  if (!chunk.isDynamicEntry) continue;
  const all = files(key);
  const own = sum([...all].filter((file) => !entry.has(file)));
  const whole = sum(new Set([...entry, ...all]));
  const isPage = key.endsWith('Page.tsx');
  const over = own > lazyRouteKb || (isPage && whole > firstRouteKb);
  isOver ||= over;
  console.log(`${over ? 'OVER ' : 'ok   '} ${key.replace('src/pages/', '').padEnd(40)} ${own.toFixed(1).padStart(6)} kB of ${lazyRouteKb}${isPage ? `   as first page ${whole.toFixed(1)} kB of ${firstRouteKb}` : ''}`);
}
process.exit(isOver ? 1 : 0);
