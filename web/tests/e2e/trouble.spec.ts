import { answered, ask, fakeAnswer, open } from './page';
import { expect, Server, test } from './server';

test('a server that dies in mid-stream is missed, and found again', async ({ page }) => {
  const server = new Server();
  await server.start();
  try {
    await open(page, server.url);
    await ask(page, 'What is 347 + 895?');
    await answered(page);
    await server.kill();
    await page.getByTestId('composer').fill('What is 1 + 1?');
    await page.keyboard.press('Enter');
    await expect(page.getByTestId('answer').last()).toHaveAttribute('data-state', 'failed');
    await expect(page.getByRole('alert').first()).toBeVisible();
    await server.start();
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByTestId('regenerate').last().click();
    await expect(await answered(page)).toContainText('2');
  } finally {
    await server.stop();
  }
});

test('a reload in the middle of an answer loses nothing', async ({ page, address }) => {
  await open(page, address);
  await ask(page, 'What is 347 + 895?');
  await page.getByTestId('answer').waitFor();
  await page.waitForTimeout(150);
  await page.reload();
  await page.waitForSelector('[data-ready="true"]');
  const answer = page.getByTestId('answer').last();
  await expect(answer).toHaveAttribute('data-state', /done|failed/);
  await expect(page.getByTestId('question')).toContainText('347');
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
  await fakeAnswer(page, text, { pieces: 1000, pause: 1 });
  await open(page, address);
  await ask(page, 'x');
  const answer = await answered(page);
  await expect(answer.getByRole('heading', { name: 'Part 399' })).toBeAttached();
  expect(await answer.locator('pre').count()).toBe(400);
});
