import { Line } from './line';
import { answered, ask, fakeAnswer, open } from './page';
import { expect, Server, test } from './server';

test.describe('a server of its own', () => {
  const line = new Line();
  let server: Server;
  test.beforeAll(async () => {
    server = new Server();
    await server.start();
    await line.open(() => server.port);
  });
  test.afterAll(async () => {
    await line.close();
    await server.stop();
  });

  test('dies in mid-stream: what came stays, it is looked for, and goes on when it is back', async ({ page }) => {
    await open(page, `http://127.0.0.1:${line.port}/`);
    line.speed = 1500;
    await ask(page, 'What is 347 + 895?');
    const answer = page.getByTestId('answer').last();
    await expect(answer.getByTestId('thinking')).toContainText('hundreds');
    line.cut();
    await server.kill();
    line.speed = 0;
    await expect(answer).toContainText('The connection broke; taking it up again');
    await server.start();
    await expect(answer).toHaveAttribute('data-state', 'failed');
    await answer.locator('.fold').first().click();
    await expect(answer.getByTestId('thinking')).toContainText('hundreds');
    await answer.getByTestId('continue').click();
    await expect(await answered(page)).toContainText('1242');
  });

  test('goes on with an answer whose page is reloaded in mid-stream', async ({ page }) => {
    await open(page, `http://127.0.0.1:${line.port}/`);
    line.speed = 1500;
    await ask(page, 'What is 347 + 895?');
    await expect(page.getByTestId('thinking')).toContainText('hundreds');
    await page.waitForTimeout(1100); // what came is written once a second
    await expect(page.getByTestId('answer')).toHaveAttribute('data-state', 'streaming');
    line.speed = 0;
    line.cut();
    const resumed = page.waitForRequest((r) => r.url().includes('/stream'));
    await page.reload();
    expect((await resumed).headers()['last-event-id']).toMatch(/^\d+$/);
    const answer = await answered(page);
    await expect(answer).toHaveAttribute('data-state', 'done');
    await expect(answer).toContainText('1242');
    await answer.locator('.fold').first().click();
    const thinking = (await answer.locator('.thinking-body').innerText()).replace(/\s+/g, ' ');
    expect(thinking.match(/ones7\+5=12/g)).toHaveLength(1);
    expect(thinking).toContain('hundreds3+8+1=12');
  });

  test('goes away: the app opens without it, says so, and finds it again', async ({ page }) => {
    await open(page, server.url);
    await ask(page, 'What is 40 + 2?');
    await answered(page);
    // One visit is enough: the worker has fetched what the pages need.
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    await expect.poll(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
    const cdp = await page.context().newCDPSession(page);
    const { installabilityErrors } = await cdp.send('Page.getInstallabilityErrors');
    expect(installabilityErrors.map((e) => e.errorId).filter((id) => id !== 'in-incognito')).toEqual([]);
    await server.kill();
    await page.reload();
    await page.waitForSelector('[data-ready="true"]');
    await expect(page.getByRole('alert').first()).toContainText('The server cannot be reached');
    await page.locator('.conversation a').click();
    await expect(page.getByTestId('answer')).toContainText('42');
    await page.getByRole('link', { name: 'Settings' }).click();
    await expect(page.getByTestId('settings-page')).toBeVisible();
    await server.start();
    await expect(page.getByRole('alert')).toHaveCount(0, { timeout: 20_000 });
    await page.getByTestId('new-chat').click();
    await ask(page, 'What is 1 + 1?');
    await expect(await answered(page)).toContainText('2');
  });
});

test('a slow network shows what arrives', async ({ page, address }) => {
  await open(page, address);
  const session = await page.context().newCDPSession(page);
  await session.send('Network.emulateNetworkConditions', { offline: false, latency: 400, downloadThroughput: 4000, uploadThroughput: 4000 });
  await ask(page, 'What is 20 + 22?');
  await expect(await answered(page)).toContainText('42');
});

test('a thousand conversations scroll and are searched', async ({ page, address }) => {
  await open(page, address);
  await page.evaluate(async () => {
    const db = await new Promise<IDBDatabase>((resolve, reject) => {
      const opening = indexedDB.open('limpid', 1);
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error);
    });
    const store = db.transaction('conversations', 'readwrite').objectStore('conversations');
    for (let i = 0; i < 1000; i += 1) {
      const q = { id: `q${i}`, parent: null, role: 'user', content: `question number ${i}`, created: i };
      const a = { id: `a${i}`, parent: `q${i}`, role: 'assistant', content: 'word '.repeat(300), created: i, state: 'done' };
      store.put({ id: `c${i}`, title: `Conversation ${i}`, titled: true, created: i, updated: Date.now() - i * 3_600_000, folder: '', system: '', messages: { [q.id]: q, [a.id]: a }, leaf: a.id });
    }
    await new Promise((done) => { store.transaction.oncomplete = done; });
  });
  await page.reload();
  await page.waitForSelector('[data-ready="true"]');
  await expect(page.locator('.conversation')).toHaveCount(1000);
  await page.getByTestId('search-conversations').fill('number 777');
  await expect(page.locator('.conversation')).toHaveCount(1);
  await page.locator('.conversation a').click();
  await expect(page.getByTestId('question')).toContainText('question number 777');
});

test('an answer of ten thousand tokens streams', async ({ page, address }) => {
  test.slow();
  const text = Array.from({ length: 400 }, (_v, i) => `## Part ${i}\n\nSome **text** with \`code\` and a list:\n\n1. one\n2. two\n\n\`\`\`js\nconst a = ${i};\n\`\`\`\n`).join('\n');
  await fakeAnswer(page, text, { pieces: 500, pause: 1 });
  await open(page, address);
  await ask(page, 'x');
  const answer = await answered(page);
  await expect(answer.getByRole('heading', { name: 'Part 399' })).toBeAttached();
  expect(await answer.locator('pre').count()).toBe(400);
});
