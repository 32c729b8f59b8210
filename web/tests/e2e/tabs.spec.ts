// Two windows of one browser: what one does the other shows, nothing of either is lost, and no account sees another's.
import { join } from 'node:path';

import type { BrowserContext, Page } from '@playwright/test';

import { answered, ask, open, slowly } from './page';
import { expect, Server, test } from './server';

async function second(context: BrowserContext, page: Page): Promise<Page> {
  const other = await context.newPage();
  await open(other, page.url());
  return other;
}

async function menu(page: Page, title: string, item: string): Promise<void> {
  const row = page.locator('.conversation', { hasText: title });
  await row.hover();
  await row.getByRole('button').click();
  await page.getByRole('menuitem', { name: item }).click();
}

/** What both show is what is kept: a window that is opened anew shows the same. */
async function keptQuestions(context: BrowserContext, page: Page): Promise<number> {
  const third = await second(context, page);
  const count = await third.evaluate(async () => {
    const db = await new Promise<IDBDatabase>((resolve) => {
      const opening = indexedDB.open('limpid', 1);
      opening.onsuccess = () => resolve(opening.result);
    });
    const all = await new Promise<{ messages: Record<string, { role: string }> }[]>((resolve) => {
      const asked = db.transaction('conversations').objectStore('conversations').getAll();
      asked.onsuccess = () => resolve(asked.result);
    });
    return all.flatMap((c) => Object.values(c.messages)).filter((m) => m.role === 'user').length;
  });
  await third.close();
  return count;
}

test.describe('two windows', () => {
  test('a conversation that is begun, goes on, is renamed, moved and deleted in one is so in the other', async ({ page, context, address }) => {
    await open(page, address);
    const other = await second(context, page);
    await ask(page, 'What is 12 + 30?');
    await answered(page);
    await other.locator('.conversation', { hasText: 'What is 12 + 30?' }).getByRole('link').click();
    await expect(other.getByTestId('answer')).toContainText('42');
    await ask(other, 'What is 20 + 2?');
    await expect(page.getByTestId('question')).toHaveCount(2);
    await expect(page.getByTestId('answer').last()).toContainText('22');
    await expect(page.getByTestId('answer').last()).toHaveAttribute('data-state', 'done');
    await menu(page, 'What is 12 + 30?', 'Rename');
    await page.getByTestId('prompt-input').fill('Sums');
    await page.keyboard.press('Enter');
    await expect(other.locator('.conversation')).toHaveText(['Sums']);
    await menu(other, 'Sums', 'Move to a folder');
    await other.getByTestId('prompt-input').fill('School');
    await other.keyboard.press('Enter');
    await expect(page.getByTestId('sidebar')).toContainText('▸ School');
    // One message, too.
    await page.getByTestId('question').last().hover();
    await page.getByTestId('question').last().getByRole('button', { name: 'Delete this and what follows' }).click();
    await expect(other.getByTestId('question')).toHaveCount(1);
    await menu(page, 'Sums', 'Delete');
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await expect(other.locator('.conversation')).toHaveCount(0);
    await expect(other.getByTestId('welcome')).toBeVisible();
    await expect(other.locator('.notice')).toContainText('“Sums” was deleted in another window');
    await other.reload();
    await other.waitForSelector('[data-ready="true"]');
    await expect(other.locator('.conversation')).toHaveCount(0);
  });

  test('an answer is shown in both as it comes, and ended from either', async ({ page, context, address }) => {
    await open(page, address);
    const other = await second(context, page);
    const fast = await slowly(page, 1500);
    await ask(page, 'What is 347 + 895?');
    await other.locator('.conversation a').click();
    const there = other.getByTestId('answer');
    await expect(there).toHaveAttribute('data-state', 'streaming');
    await expect(there.getByTestId('thinking')).toContainText('hundreds');
    await expect(there.getByTestId('thinking')).toContainText('Thinking');
    await expect(page.getByTestId('answer')).toHaveAttribute('data-state', 'streaming');
    // While it comes there is nothing to send, there either.
    await expect(other.getByTestId('send')).toHaveCount(0);
    await other.getByTestId('stop').click();
    await fast();
    await expect(page.getByTestId('answer')).toHaveAttribute('data-state', 'stopped');
    await expect(there).toHaveAttribute('data-state', 'stopped');
    await expect(other.getByTestId('send')).toBeVisible();
    // Ended by the reader of the other window: the answer follows.
    const fastAgain = await slowly(page, 1500);
    await page.getByTestId('regenerate').click();
    // Beside what is read there: one more version to choose, not a jump.
    await expect(other.getByTestId('branches')).toContainText('1 / 2');
    await other.getByRole('button', { name: 'Next version' }).click();
    await other.getByTestId('answer-now').click();
    await fastAgain();
    await expect(await answered(page)).toHaveAttribute('data-state', 'done');
    await expect(await answered(other)).toHaveAttribute('data-state', 'done');
    await expect(other.getByTestId('branches')).toContainText('2 / 2');
    expect(await other.getByTestId('answer').innerText()).toBe(await page.getByTestId('answer').innerText());
  });

  test('the answer of a window that is closed goes on in the other', async ({ page, context, address }) => {
    await open(page, address);
    const other = await second(context, page);
    await slowly(page, 1500);
    await ask(page, 'What is 347 + 895?');
    await other.locator('.conversation a').click();
    await expect(other.getByTestId('thinking')).toContainText('hundreds');
    await expect(page.getByTestId('answer')).toHaveAttribute('data-state', 'streaming');
    const resumed = other.waitForRequest((r) => r.url().endsWith('/stream'));
    await page.close();
    await resumed;
    const answer = await answered(other);
    await expect(answer).toHaveAttribute('data-state', 'done');
    await expect(answer).toContainText('1242');
    await answer.locator('.fold').first().click();
    const thinking = (await answer.locator('.thinking-body').innerText()).replace(/\s+/g, ' ');
    expect(thinking.match(/ones7\+5=12/g)).toHaveLength(1);
  });

  test('a window that is opened in mid-stream shows it, and asks for nothing a second time', async ({ page, context, address }) => {
    await open(page, address);
    const fast = await slowly(page, 1500);
    await ask(page, 'What is 347 + 895?');
    await expect(page.getByTestId('thinking')).toContainText('ones');
    const asked: string[] = [];
    context.on('request', (r) => { if (r.url().includes('completions')) asked.push(r.url()); });
    const other = await second(context, page);
    await expect(other.getByTestId('answer')).toHaveAttribute('data-state', 'streaming');
    await expect(other.getByTestId('thinking')).toContainText('tens');
    await fast();
    await expect(await answered(other)).toContainText('1242');
    await answered(page);
    await expect(page.getByTestId('answer')).toHaveAttribute('data-state', 'done');
    expect(asked).toEqual([]);
  });

  test('both write to one conversation at once: both questions and answers are kept, as branches', async ({ page, context, address }) => {
    await open(page, address);
    await ask(page, 'What is 1 + 1?');
    await answered(page);
    const other = await second(context, page);
    await page.getByTestId('composer').fill('What is 10 + 11?');
    await other.getByTestId('composer').fill('What is 20 + 22?');
    await Promise.all([page.getByTestId('composer').press('Enter'), other.getByTestId('composer').press('Enter')]);
    await expect(page.getByTestId('answer').last()).toContainText('21');
    await expect(other.getByTestId('answer').last()).toContainText('42');
    for (const one of [page, other]) {
      await expect(one.getByTestId('question')).toHaveCount(2);
      await expect(one.getByTestId('question').last().getByTestId('branches')).toContainText('/ 2');
    }
    await expect(page.getByTestId('question').last()).toContainText('10 + 11');
    await expect(other.getByTestId('question').last()).toContainText('20 + 22');
    expect(await keptQuestions(context, page)).toBe(3);
    // A name given in one in the middle of an answer of the other is kept, with the answer.
    const fast = await slowly(other, 1500);
    await ask(other, 'What is 300 + 33?');
    await expect(other.getByTestId('thinking').last()).toContainText('Thinking');
    await menu(page, 'What is 1 + 1?', 'Rename');
    await page.getByTestId('prompt-input').fill('Both');
    await page.keyboard.press('Enter');
    await fast();
    await expect(await answered(other)).toContainText('333');
    await other.reload();
    await expect(other.getByTestId('answer').last()).toContainText('333');
    await expect(other.locator('.conversation')).toHaveText(['Both']);
    expect(await keptQuestions(context, page)).toBe(4);
  });

  test('deleting ends an answer that the other window receives, and nothing comes back', async ({ page, context, address }) => {
    await open(page, address);
    const other = await second(context, page);
    await slowly(other, 1500);
    await ask(other, 'What is 347 + 895?');
    await expect(other.getByTestId('thinking')).toContainText('ones');
    await menu(page, 'What is 347', 'Delete');
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await expect(other.getByTestId('welcome')).toBeVisible();
    await page.waitForTimeout(1500); // longer than the pauses between writings
    expect(await keptQuestions(context, page)).toBe(0);
    await expect(page.locator('.conversation')).toHaveCount(0);
  });

  test('settings, theme and language follow; the list stays as each has it; drafts are each window’s own', async ({ page, context, address }) => {
    await open(page, address);
    const other = await second(context, page);
    await page.getByTestId('composer').fill('mine');
    await other.getByTestId('composer').fill('theirs');
    await page.reload();
    await expect(page.getByTestId('composer')).toHaveValue('mine');
    await other.getByRole('button', { name: 'Hide the sidebar' }).click();
    await page.getByTestId('deepthink').click();
    await expect(other.getByTestId('deepthink')).toHaveAttribute('aria-pressed', 'false');
    await page.getByRole('link', { name: 'Settings' }).click();
    await page.getByLabel('Theme').selectOption('dark');
    await expect(other.locator('html')).toHaveAttribute('data-theme', 'dark');
    await page.getByLabel('Language').selectOption('zh');
    await expect(other.locator('html')).toHaveAttribute('lang', 'zh-CN');
    await expect(page.getByTestId('sidebar')).toBeVisible();
    await expect(other.getByTestId('sidebar')).toHaveCount(0);
    // The later choice of the other does not undo what this one chose.
    await other.getByTestId('deepthink').click();
    await other.reload();
    await expect(other.locator('html')).toHaveAttribute('data-theme', 'dark');
    await expect(page.locator('html')).toHaveAttribute('lang', 'zh-CN');
    await expect(other.getByTestId('composer')).toHaveValue('theirs');
  });
});

test('accounts: windows share who is here; nothing of one is seen by the next, whatever the store', async ({ context }) => {
  test.slow();
  const server = new Server(['--team']);
  for (const [name, role] of [['ann', '--admin'], ['bob', '--admin']] as const) server.run(['admin', '--data', join(server.home, 'data'), 'add', name, role], 'correct horse\n');
  await server.start();
  const enter = async (page: Page, name: string) => {
    await page.locator('input[autocomplete="username"]').fill(name);
    await page.locator('input[type="password"]').fill('correct horse');
    await page.getByTestId('enter').click();
    await expect(page.getByTestId('composer')).toBeVisible();
  };
  try {
    const [here, there] = [await context.newPage(), await context.newPage()];
    await here.goto(server.url);
    await there.goto(server.url);
    await enter(here, 'ann');
    // The other window is in, too; what is with the account on the server is in both.
    await expect(there.getByTestId('composer')).toBeVisible();
    await ask(here, 'What is 12 + 30?');
    await answered(here);
    await there.locator('.conversation a').click();
    await expect(there.getByTestId('answer')).toContainText('42');
    await ask(there, 'What is 20 + 2?');
    await expect(here.getByTestId('answer').last()).toContainText('22');
    await menu(there, 'What is 12', 'Rename');
    await there.getByTestId('prompt-input').fill('Ann’s own');
    await there.keyboard.press('Enter');
    await expect(here.locator('.conversation')).toHaveText(['Ann’s own']);
    await there.getByTestId('composer').fill('a secret of Ann');
    await there.getByTestId('new-chat').click();
    await there.getByTestId('composer').fill('another secret of Ann');
    await here.getByRole('link', { name: 'Settings' }).click();
    await here.getByRole('button', { name: 'Add a preset' }).click();
    await here.getByLabel('Name').last().fill('Ann’s preset');
    await expect(there.getByLabel('System prompt')).toContainText('Ann’s preset');
    await here.goto(`${server.url}#/usage`);
    await here.getByTestId('sign-out').click();
    await expect(there.getByTestId('sign-in')).toBeVisible();
    await enter(there, 'bob');
    await expect(here.getByTestId('composer')).toBeVisible();
    for (const page of [here, there]) {
      await expect(page.locator('.conversation')).toHaveCount(0);
      await expect(page.getByTestId('composer')).toHaveValue('');
      await expect(page.getByLabel('System prompt')).toHaveCount(0);
      await expect(page.locator('body')).not.toContainText(/secret of Ann|Ann’s/);
    }
    await ask(here, 'What is 1 + 2?');
    await answered(here);
    await expect(there.locator('.conversation')).toHaveText(['What is 1 + 2?']);
    await here.goto(`${server.url}#/usage`);
    await here.getByTestId('sign-out').click();
    await enter(here, 'ann');
    await expect(here.locator('.conversation')).toHaveText(['Ann’s own']);
    await expect(there.locator('.conversation')).toHaveText(['Ann’s own']);
    await there.locator('.conversation a').click();
    await expect(there.getByTestId('question')).toHaveCount(2);
    // In the browser only: the other window opens that store, too; the next person has one of his own.
    const keep = (page: Page) => page.getByLabel('Keep conversations').selectOption('browser');
    await here.goto(`${server.url}#/settings`);
    await keep(here);
    await expect(there.locator('.conversation')).toHaveCount(0);
    await there.getByTestId('new-chat').click();
    await ask(there, 'What is 3 + 4?');
    await answered(there);
    await expect(here.locator('.conversation')).toHaveText(['What is 3 + 4?']);
    await here.goto(`${server.url}#/usage`);
    await here.getByTestId('sign-out').click();
    await enter(here, 'bob');
    await expect(there.locator('.conversation')).toHaveText(['What is 1 + 2?']);
    await here.goto(`${server.url}#/settings`);
    await keep(here);
    for (const page of [here, there]) await expect(page.locator('.conversation')).toHaveCount(0);
  } finally {
    await server.stop();
  }
});
