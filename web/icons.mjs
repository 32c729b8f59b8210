// Draws public/icon-*.png from public/icon.svg, for the systems that want pixels. Run it after a change of the icon.
import { readFileSync } from 'node:fs';

import { chromium } from 'playwright-core';

const svg = readFileSync('public/icon.svg', 'utf8');
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const page = await browser.newPage();
// Maskable: systems cut it to a shape of their own, so the ground goes to the edge and the drop is smaller.
for (const [name, size, maskable] of [['icon-192', 192, false], ['icon-512', 512, false], ['icon-maskable', 512, true]]) {
  const drawn = maskable ? svg.replace('rx="15"', '').replace(/<path/g, '<path transform="translate(8 8) scale(.75)"') : svg;
  await page.setViewportSize({ width: size, height: size });
  await page.setContent(`<style>*{margin:0}svg{display:block;width:${size}px;height:${size}px}</style>${drawn}`);
  await page.screenshot({ path: `public/${name}.png`, omitBackground: true });
}
await browser.close();
