// Draws docs/images: the app with the shipped model, as it is.   node web/screenshots.mjs BINARY OUT [RUNS [RUN]]
// RUNS: a folder of training runs, for the training page; RUN: one of them, or with its stage, r1-nano/zero. Those in the
// repository went through
// pngquant --nofs --force --ext .png 200 docs/images/*.png
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

const [binary = 'build/limpid', out = 'docs/images', runs = 'runs', run = ''] = process.argv.slice(2);
const home = mkdtempSync(join(tmpdir(), 'limpid-shots-'));
const server = spawn(binary, ['serve', '--port', '0', '--data', join(home, 'data'), '--runs', runs], { env: { ...process.env, LIMPID_HOME: join(home, 'store') } });
const address = await new Promise((resolve, reject) => {
  server.stdout.on('data', (bytes) => {
    const found = /http:\/\/127\.0\.0\.1:\d+/.exec(bytes.toString());
    if (found) resolve(`${found[0]}/`);
  });
  server.on('exit', (code) => reject(new Error(`limpid serve ended with ${code}`)));
});
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });

async function open(options, settings = {}) {
  const context = await browser.newContext({ locale: 'en-US', viewport: { width: 1200, height: 760 }, ...options });
  const page = await context.newPage();
  await page.addInitScript((kept) => { if (!localStorage['limpid.settings']) localStorage['limpid.settings'] = JSON.stringify(kept); }, settings);
  await page.goto(address);
  await page.waitForSelector('[data-ready="true"]');
  return page;
}
async function ask(page, text) {
  await page.getByTestId('composer').fill(text);
  await page.keyboard.press('Enter');
  await page.waitForTimeout(200);
  await page.waitForFunction(() => [...document.querySelectorAll('[data-testid=answer]')].every((e) => e.dataset.state !== 'streaming'));
}
const shot = async (page, name) => {
  await page.mouse.move(2, 2);
  await page.waitForTimeout(400);
  await page.screenshot({ path: join(out, `${name}.png`) });
};

try {
  const page = await open();
  for (const text of ['How many letters r are in "strawberry"?', 'Is 91 a prime number?', 'Tom is taller than Ann, Ann is taller than Bob. Who is second?']) {
    await ask(page, text);
    await page.getByTestId('new-chat').click();
  }
  await ask(page, 'What is 347 + 895?');
  await ask(page, 'Use 3, 7 and 8 to make 29.');
  await page.locator('.fold').last().click();
  await shot(page, 'app');

  const glass = await open({}, { glass: true, temperature: 1 });
  await ask(glass, 'Use 3, 7 and 8 to make 29.');
  await glass.locator('.fold').first().click();
  await glass.getByTestId('show-tokens').click();
  const tokens = glass.getByTestId('tokens-thinking').locator('.token');
  const [from, to] = [await tokens.nth(5).boundingBox(), await tokens.nth(15).boundingBox()];
  await glass.mouse.move(from.x + 2, from.y + 8);
  await glass.mouse.down();
  await glass.mouse.move(to.x + to.width / 2, to.y + 8, { steps: 8 });
  await glass.mouse.up();
  await shot(glass, 'glass');

  const training = await open();
  await training.goto(`${address}#/training${run ? `/${run}` : ''}`);
  await training.locator('.chart').first().waitFor({ timeout: 10_000 }).catch(() => undefined);
  await shot(training, 'training');

  const phone = await open({ locale: 'zh-CN', colorScheme: 'dark', viewport: { width: 390, height: 760 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true });
  await ask(phone, '347 + 895 等于多少？');
  await phone.locator('.fold').first().click();
  await ask(phone, '3、7、8 怎样凑成 29？');
  await phone.locator('.fold').last().click();
  await shot(phone, 'phone');
} finally {
  await browser.close();
  server.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
}
