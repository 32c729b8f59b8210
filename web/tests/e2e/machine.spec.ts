// The pages that show this machine: documents that answers cite, models that are fetched and chosen, a run of training.
// One server of its own for them: its hub is a stand-in, its training runs are made here.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';

import { FakeHub } from './hub';
import { answered, ask, fakeAnswer, open } from './page';
import { expect, Server, test } from './server';

test.describe.configure({ mode: 'serial' });

let server: Server;
let hub: FakeHub;

test.beforeAll(async () => {
  const made = new Server();
  made.run(['export', 'r1-nano', join(made.home, 'repository'), '--to', 'safetensors']);
  hub = new FakeHub(join(made.home, 'repository'));
  await hub.start();
  server = new Server(['--runs', join(made.home, 'runs')], { HF_ENDPOINT: hub.url }, made.home);
  mkdirSync(join(server.home, 'runs'));
  await server.start();
});
test.afterAll(async () => {
  await server?.stop();
  await hub?.stop();
});

async function clean(page: Page): Promise<void> {
  const found = await new AxeBuilder({ page }).analyze();
  expect(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 120)).join(' | ')}`)).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)).toBe(false);
}

test('a folder is indexed and searched, in Chinese by words of two characters', async ({ page }) => {
  const folder = join(server.home, 'notes');
  mkdirSync(folder);
  writeFileSync(join(folder, 'garden.md'), '# Roses\n\nRoses are cut in March, when the forsythia blooms.\n\n# Apples\n\nThe old apple tree is called Bertha.\n');
  writeFileSync(join(folder, '笔记.md'), '# 量子力学\n\n薛定谔方程描述波函数随时间的演化。\n\n# 园艺\n\n玫瑰在三月修剪。\n');
  await open(page, server.url);
  await page.goto(`${server.url}#/folders`);
  await page.getByTestId('folder-path').fill(join(server.home, 'nowhere'));
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alert')).toContainText('There is no folder');
  await page.getByTestId('folder-path').fill(folder);
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('folder')).toContainText('2 files, 4 passages');
  for (const [path, why] of [[folder, 'is indexed already'], ['notes', 'whole path']] as const) {
    await page.getByTestId('folder-path').fill(path);
    await page.keyboard.press('Enter');
    await expect(page.getByRole('alert')).toContainText(why);
  }
  const look = page.getByRole('searchbox', { name: 'Try a search' });
  for (const [words, file] of [['修剪', '笔记.md'], ['波函', '笔记.md'], ['apple', 'garden.md']] as const) {
    await look.fill(words);
    await look.press('Enter');
    await expect(page.getByTestId('found').first()).toContainText(file);
  }
  await look.fill('月球');
  await look.press('Enter');
  await expect(page.getByText('Nothing found')).toBeVisible();
  await clean(page);
});

test('an answer rests on passages: they go along, and a click on a citation opens the one it names', async ({ page }) => {
  await open(page, server.url);
  await page.getByTestId('search-switch').click();
  // The shipped model: whatever it makes of them, the passages are in its prompt, no more than it has room for.
  const asked = page.waitForRequest((r) => r.url().includes('chat/completions') && r.method() === 'POST');
  await ask(page, 'When are roses cut?');
  const prompt = (await asked).postData() ?? '';
  expect(prompt).toContain('[webpage 1 begin]');
  expect(prompt).toContain('Roses are cut in March');
  expect(prompt).not.toContain('[citation:X]'); // its context of 512 tokens has no room for instructions
  const answer = await answered(page);
  await answer.getByRole('button', { name: '[1] garden.md' }).click();
  await expect(page.getByTestId('passage')).toContainText('forsythia');
  await page.keyboard.press('Escape');
  // A model that cites, which the shipped one has not learned.
  await fakeAnswer(page, 'In March[citation:1], as the other note says, too[citation:2].');
  await page.reload();
  await page.waitForSelector('[data-ready="true"]');
  await ask(page, '什么时候修剪玫瑰？');
  const cited = await answered(page);
  await expect(page.getByTestId('question').last()).toContainText(/[1-9]\d* passages? from your documents went along/);
  await cited.locator('.citation').first().click();
  await expect(page.getByTestId('passage')).toContainText('玫瑰在三月修剪');
  await page.keyboard.press('Escape');
  await ask(page, 'zzzz qqqq');
  await expect(page.getByText('Nothing in your documents matches')).toBeVisible();
});

test('a model that fits is fetched, with progress, stopped and taken up again; then it answers', async ({ page }) => {
  await open(page, server.url);
  // From the first page on: the best four.
  await page.getByTestId('other-models').click();
  await expect(page.locator('.fits .card').first()).toContainText('tokens/s here', { timeout: 40_000 });
  await expect(page.locator('.fits .card')).toHaveCount(4);
  await clean(page);
  await page.getByRole('button', { name: 'All models' }).click();
  const card = page.locator('.card', { hasText: 'SmolLM2-360M' });
  await expect(card).toContainText('tokens/s here');
  await expect(page.getByText('Too large for this machine')).toBeVisible();
  hub.faults = 1;
  await card.getByRole('button', { name: 'Fetch' }).click();
  await expect(card.getByRole('alert')).toContainText('404');
  hub.slow = 30_000;
  await card.getByRole('button', { name: 'Try again' }).click();
  await expect.poll(async () => Number(await card.locator('progress').getAttribute('value'))).toBeGreaterThan(100_000);
  await expect(card).toContainText('MB');
  await card.getByRole('button', { name: 'Cancel' }).click();
  await expect(card.getByRole('button', { name: 'Fetch' })).toBeVisible();
  hub.slow = 300;
  await card.getByRole('button', { name: 'Fetch' }).click();
  const here = page.locator('.card', { hasText: 'smollm2-360m' });
  await here.getByRole('button', { name: 'Use' }).click();
  await expect(here).toContainText('in use');
  await expect(page.getByTestId('model-choice')).toHaveValue(/smollm2-360m/);
  await clean(page);
  await page.getByTestId('new-chat').click();
  await ask(page, 'What is 12 + 30?');
  const answer = await answered(page);
  await expect(answer).toContainText('42');
  await expect(answer).toHaveAttribute('aria-label', /smollm2-360m/);
});

test('a run of training is shown while it goes on: curves, and samples of thinking', async ({ page }) => {
  await open(page, server.url);
  await page.goto(`${server.url}#/training`);
  await expect(page.getByTestId('training-page')).toContainText('No training run found');
  server.run(['recipe', 'smoke', '--out', join(server.home, 'runs', 'first')]);
  const stages = page.getByRole('group', { name: 'Stages' });
  await expect(stages).toContainText('zero');
  await stages.getByRole('button', { name: /^zero/ }).click();
  await expect(page.getByRole('img', { name: /^Reward by step/ })).toBeVisible();
  await expect(page.locator('.samples .card').first()).toContainText('step');
  await expect.poll(() => page.locator('.chart').count()).toBeGreaterThan(4); // another stage's curves may go just now
  await clean(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await page.emulateMedia({ colorScheme: 'dark' });
  await clean(page);
});
