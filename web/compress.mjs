// Fonts in other formats than WOFF2, which every browser that runs the app knows, go. Beside every text file of dist/ that gets smaller: the same, compressed. The server sends that one where it may.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

let first = 0;
for (const entry of readdirSync('dist', { recursive: true, withFileTypes: true })) {
  if (/\.(?:ttf|woff)$/.test(entry.name)) rmSync(join(entry.parentPath ?? entry.path, entry.name));
  if (!entry.isFile() || !/\.(?:js|mjs|css|html|svg|webmanifest)$/.test(entry.name)) continue;
  const file = join(entry.parentPath ?? entry.path, entry.name);
  const plain = readFileSync(file);
  const small = gzipSync(plain, { level: 9 });
  if (small.length < plain.length * 0.9) writeFileSync(`${file}.gz`, small);
  if (/index-|index\.html/.test(entry.name)) first += Math.min(small.length, plain.length);
}
console.log(`first view: ${Math.round(first / 1000)} kB compressed`);
if (first > 300_000) {
  console.error('the first view is over 300 kB compressed');
  process.exit(1);
}
