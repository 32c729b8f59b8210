// `limpid serve --team`: people sign up by code or wait, make keys, see what they used; an admin lets them in, tops up and
// bans. One server, whose people the tests share in order.
import { join } from 'node:path';

import AxeBuilder from '@axe-core/playwright';
import type { Browser, Page } from '@playwright/test';

import { answered, ask } from './page';
import { expect, Server, test, watch } from './server';

test.describe.configure({ mode: 'serial' });

const server = new Server(['--team']);
let admin: Page;
let bob: Page;
let invitation = '';
const watched: string[][] = [];

test.beforeAll(async ({ browser }) => {
  server.run(['admin', '--data', join(server.home, 'data'), 'add', 'ada', '--admin'], 'correct horse\n');
  await server.start();
  admin = await person(browser);
});
test.afterAll(async () => {
  await admin?.context().close();
  await bob?.context().close();
  await server.stop();
  expect(watched.flat()).toEqual([]);
});

async function person(browser: Browser, options: Parameters<Browser['newContext']>[0] = {}): Promise<Page> {
  const context = await browser.newContext({ locale: 'en-US', viewport: { width: 1280, height: 860 }, ...options });
  watched.push(watch(context));
  return context.newPage();
}

async function signIn(page: Page, name: string, password: string): Promise<void> {
  await page.goto(server.url);
  await page.locator('input[autocomplete="username"]').fill(name);
  await page.locator('input[type="password"]').fill(password);
  await page.getByTestId('enter').click();
}

async function signUp(page: Page, name: string, password: string): Promise<void> {
  await page.goto(server.url);
  await page.getByTestId('other-way').click();
  await page.locator('input[autocomplete="username"]').fill(name);
  await page.locator('input[type="password"]').fill(password);
  await page.getByTestId('enter').click();
}

async function clean(page: Page): Promise<void> {
  const found = await new AxeBuilder({ page }).analyze();
  expect(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 120)).join(' | ')}`)).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)).toBe(false);
}

test('an admin signs in, after a wrong password, and makes a code', async () => {
  await admin.goto(server.url);
  await expect(admin.getByTestId('sign-in')).toBeVisible();
  await clean(admin);
  await signIn(admin, 'ada', 'wrong horse');
  await expect(admin.getByRole('alert')).toHaveText('The name or the password is wrong.');
  await signIn(admin, 'ada', 'correct horse');
  await expect(admin.getByTestId('composer')).toBeVisible();
  await admin.getByRole('link', { name: 'Administration' }).click();
  await expect(admin.getByTestId('load')).toContainText('Load');
  await expect(admin.getByTestId('user-ada')).toContainText('admin');
  await expect(admin.getByTestId('user-ada').getByRole('button', { name: 'Ban' })).toHaveCount(0);
  await admin.getByTestId('code-tier').selectOption('paid');
  await admin.getByLabel('Credit').fill('5.00');
  await admin.getByLabel('Note').fill('for Bob');
  await admin.getByTestId('new-code').click();
  invitation = await admin.getByTestId('fresh-link').innerText();
  await expect(admin.getByRole('region', { name: 'Access codes' })).toContainText('for Bob');
  await clean(admin);
});

test('who has a code signs up by its link, on a dark phone, in Chinese, and asks', async ({ browser }) => {
  bob = await person(browser, { locale: 'zh-CN', colorScheme: 'dark', viewport: { width: 390, height: 844 } });
  await bob.goto(invitation);
  await clean(bob);
  await bob.locator('input[autocomplete="username"]').fill('bob');
  await bob.locator('input[type="password"]').fill('bobs password');
  await bob.getByTestId('enter').click();
  await ask(bob, '12 + 30 等于多少？');
  await expect(await answered(bob)).toContainText('42');
});

test('usage by day, key and model; a balance that shrinks', async () => {
  await bob.goto(`${server.url}#/usage`);
  const row = bob.getByTestId('usage-row');
  await expect(row).toHaveCount(1);
  await expect(row).toContainText(new Date().toISOString().slice(0, 10));
  await expect(row).toContainText('本应用');
  await expect(row).toContainText('r1-nano');
  await expect(bob.getByTestId('balance')).toContainText('4.999');
  await clean(bob);
  const latin = (await bob.getByTestId('usage-page').innerText()).replace(/limpid|OpenAI|DeepSeek|API|http\S+|CSV|r1-nano|USD|bob|paid/g, '').match(/[A-Za-z]{3,}/g);
  expect(latin).toBeNull();
});

test('a key is shown once, works, and is revoked', async () => {
  await bob.getByTestId('new-key').click();
  await bob.getByTestId('prompt-input').fill('a script');
  await bob.keyboard.press('Enter');
  const key = await bob.getByTestId('fresh-key').innerText();
  expect(key).toMatch(/^sk-/);
  const ask = () => fetch(`${server.url}v1/chat/completions`, {
    method: 'POST', headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'What is 2 + 3?' }], max_tokens: 64 }),
  });
  expect((await ask()).status).toBe(200);
  await bob.reload();
  await expect(bob.getByTestId('usage-row')).toHaveCount(2);
  await expect(bob.getByTestId('usage-page')).not.toContainText(key);
  await expect(bob.getByTestId('usage-row').filter({ hasText: 'a script' })).toHaveCount(1);
  await bob.getByRole('button', { name: '吊销' }).click();
  await bob.getByTestId('confirm').click();
  await expect(bob.getByRole('region', { name: 'API 密钥' })).toContainText('已吊销');
  expect((await ask()).status).toBe(401);
});

test('conversations are with the account: from another device, and not for others in the same browser', async ({ browser }) => {
  const other = await person(browser);
  await signIn(other, 'bob', 'bobs password');
  await expect(other.getByTestId('sidebar')).toContainText('12 + 30');
  await other.locator('.conversation a').click();
  await expect(other.getByTestId('answer')).toContainText('42');
  await other.getByTestId('composer').fill('a secret draft');
  await other.goto(`${server.url}#/usage`);
  await other.getByTestId('sign-out').click();
  await signIn(other, 'ada', 'correct horse');
  await expect(other.getByTestId('composer')).toBeVisible();
  await expect(other.locator('.conversation')).toHaveCount(0);
  await expect(other.getByTestId('composer')).toHaveValue('');
  await other.context().close();
});

test('who has no code waits, sees the place, and comes in when there is room', async ({ browser }) => {
  await admin.getByRole('button', { name: 'Capacity' }).click();
  await admin.getByTestId('prompt-input').fill('2');
  await admin.keyboard.press('Enter');
  await expect(admin.getByTestId('waiting')).toContainText('room for 2');
  const carl = await person(browser);
  const dora = await person(browser, { locale: 'zh-CN' });
  await signUp(carl, 'carl', 'carls password');
  await expect(carl.getByTestId('place')).toContainText('1');
  await signUp(dora, 'dora', 'doras password');
  await expect(dora.getByTestId('place')).toContainText('2');
  await clean(dora);
  await dora.reload();
  await expect(dora.getByTestId('place')).toContainText('2');
  await admin.reload();
  await expect(admin.getByTestId('waiting')).toContainText('2 waiting');
  await admin.getByRole('button', { name: 'Let the next one in' }).click();
  await expect(carl.getByTestId('composer')).toBeVisible();
  await expect(dora.getByTestId('place')).toContainText('1');
  await admin.getByTestId('user-dora').getByRole('button', { name: 'Let in' }).click();
  await expect(dora.getByTestId('composer')).toBeVisible();
  await carl.context().close();
  await dora.context().close();
});

test('a password is changed, an account deleted by who has it', async ({ browser }) => {
  const carl = await person(browser);
  await signIn(carl, 'carl', 'carls password');
  await expect(carl.getByTestId('composer')).toBeVisible();
  await carl.goto(`${server.url}#/usage`);
  await carl.getByText('Change the password').first().click();
  await carl.getByLabel('Password now').fill('carls password');
  await carl.getByLabel('New password').fill('carls new password');
  await carl.getByRole('button', { name: 'Change the password' }).click();
  await expect(carl.getByTestId('sign-in')).toBeVisible();
  await signIn(carl, 'carl', 'carls password');
  await expect(carl.getByRole('alert')).toHaveText('The name or the password is wrong.');
  await signIn(carl, 'carl', 'carls new password');
  await expect(carl.getByTestId('composer')).toBeVisible();
  await carl.goto(`${server.url}#/usage`);
  await carl.getByText('Delete the account').first().click();
  await carl.getByLabel('Password', { exact: true }).fill('carls new password');
  await carl.getByRole('button', { name: 'Delete the account' }).click();
  await carl.getByTestId('confirm').click();
  await expect(carl.getByTestId('sign-in')).toBeVisible();
  await signIn(carl, 'carl', 'carls new password');
  await expect(carl.getByRole('alert')).toBeVisible();
  await carl.context().close();
});

test('an admin tops up, changes a tier, looks at the books, and bans', async () => {
  const row = admin.getByTestId('user-bob');
  await row.getByRole('button', { name: 'Top up' }).click();
  await admin.getByTestId('prompt-input').fill('2.50');
  await admin.keyboard.press('Enter');
  await expect(row).toContainText('7.49');
  await admin.getByRole('button', { name: 'Check the books' }).click();
  await expect(admin.getByTestId('admin-page')).toContainText('The books are right');
  await expect(admin.getByTestId('queue')).toContainText('r1-nano: 0 of 32 running');
  await row.getByRole('combobox').selectOption('unlimited');
  await row.getByRole('button', { name: 'Ban' }).click();
  await admin.getByTestId('confirm').click();
  await expect(row).toContainText('banned');
  await bob.goto(`${server.url}#/`);
  await ask(bob, '1 + 1 等于多少？'); // his session is over: the app says so at the next thing he does
  await expect(bob.getByTestId('sign-in')).toBeVisible();
  await signIn(bob, 'bob', 'bobs password');
  await expect(bob.getByRole('alert')).toContainText('banned');
  await signIn(bob, 'nobody', 'bobs password');
  await expect(bob.getByRole('alert')).toHaveText('用户名或密码错误。');
});
