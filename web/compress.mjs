// The last step of the build. Fonts in other formats than WOFF2, which every browser that runs the app knows, go. The
// service worker learns which files to keep. Beside every text file of dist/ that gets smaller: the same, compressed. The
// server sends that one where it may.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

for (const name of readdirSync('dist/assets')) if (/\.(?:ttf|woff|gz)$/.test(name)) rmSync(join('dist/assets', name));

// Everything but what is large and seldom needed: that is kept when it was used.
const worker = readFileSync('public/sw.js', 'utf8');
const files = ['./', 'icon.svg', 'manifest.webmanifest', ...readdirSync('dist/assets').filter((name) => /\.(?:js|css)$/.test(name) && !/^(?:diagram|pdf|katex|highlight|formula)/.test(name)).map((name) => `assets/${name}`)];
const told = worker.replace('const FILES = [];', `const FILES = ${JSON.stringify(files)};`);
if (told === worker) throw new Error('public/sw.js: there is no FILES to fill');
writeFileSync('dist/sw.js', told);

let first = 0;
for (const entry of readdirSync('dist', { recursive: true, withFileTypes: true })) {
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
