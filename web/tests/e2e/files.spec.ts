// What goes in: files by drag and drop, long pasted text, another app's conversations; how much of the context they take.
import type { Page } from '@playwright/test';

import { answered, ask, open } from './page';
import { smallPdf } from './pdf';
import { expect, test } from './server';

async function drop(page: Page, files: { name: string; type: string; bytes: Buffer }[], target = '[data-testid="thread"]'): Promise<void> {
  const transfer = await page.evaluateHandle(
    (list) => {
      const made = new DataTransfer();
      for (const { name, type, base64 } of list) made.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name, { type }));
      return made;
    },
    files.map(({ name, type, bytes }) => ({ name, type, base64: bytes.toString('base64') })),
  );
  await page.dispatchEvent(target, 'dragover', { dataTransfer: transfer });
  await expect(page.locator('.drop')).toBeVisible();
  await page.dispatchEvent(target, 'drop', { dataTransfer: transfer });
}

test('text, code and PDF are dropped anywhere, their size is shown before they are sent, and they go along', async ({ page, address }) => {
  await open(page, address);
  const context = page.getByTestId('context');
  await page.getByTestId('composer').fill('What is 2 + 3?');
  await expect(context).toContainText(/^\d+ of 512 tokens$/);
  const before = parseInt(await context.innerText(), 10);
  await drop(page, [
    { name: 'note.txt', type: 'text/plain', bytes: Buffer.from('milk') },
    { name: 'alt.txt', type: 'text/plain', bytes: Buffer.from([0xc4, 0xe3, 0xba, 0xc3]) }, // GB 18030
    { name: 'f.py', type: 'text/x-python', bytes: Buffer.from('def f(): return 1') },
    { name: 'paper.pdf', type: 'application/pdf', bytes: smallPdf(['First page', 'Second (page)']) },
    { name: 'picture.png', type: 'image/png', bytes: Buffer.from([0x89, 0x50, 0, 0, 1]) },
  ]);
  const list = page.getByRole('list', { name: 'Files' });
  await expect(list.getByRole('listitem')).toHaveCount(4);
  await expect(list).toContainText('paper.pdf 2 pages');
  await expect(page.getByRole('alert')).toContainText('picture.png is neither text nor PDF.');
  await expect.poll(async () => parseInt(await context.innerText(), 10)).toBeGreaterThan(before + 60);
  const asked = page.waitForRequest((r) => r.url().includes('chat/completions') && r.method() === 'POST');
  await page.getByTestId('send').click();
  const { messages } = (await asked).postDataJSON() as { messages: { content: string }[] };
  const sent = messages[0]?.content ?? '';
  expect(sent).toContain('[file name]: note.txt\n[file content begin]\nmilk\n[file content end]');
  expect(sent).toContain('你好');
  expect(sent).toContain('def f(): return 1');
  expect(sent).toMatch(/First page\s+Second \(page\)/);
  expect(sent.endsWith('What is 2 + 3?')).toBe(true);
  await answered(page);
  await expect(page.getByTestId('question')).toContainText('paper.pdf');
  await expect(list).toHaveCount(0);
});

test('long pasted text becomes a file; more than the context holds is said before it is sent', async ({ page, address }) => {
  await open(page, address);
  await page.getByTestId('composer').focus();
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.setData('text/plain', 'A long line of words. '.repeat(400));
    document.activeElement?.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
  });
  await expect(page.getByRole('list', { name: 'Files' })).toContainText('Pasted text 1.txt');
  await expect(page.getByTestId('composer')).toHaveValue('');
  await expect(page.locator('.composer')).toContainText('longer than the model\'s context');
  await page.getByRole('button', { name: 'Remove Pasted text 1.txt' }).click();
  await expect(page.locator('.composer')).not.toContainText('longer than the model');
});

test('DeepSeek\'s web export comes in with thinking and branches', async ({ page, address }) => {
  const node = (id: string, parent: string | null, children: string[], fragments: { type: string; content: string }[]) => ({ id, parent, children, message: fragments.length ? { model: 'deepseek-reasoner', inserted_at: '2025-03-01T10:00:00+08:00', fragments } : null });
  const mapping = {
    root: node('root', null, ['1'], []),
    1: node('1', 'root', ['2', '3'], [{ type: 'REQUEST', content: '什么是月食？' }]),
    2: node('2', '1', [], [{ type: 'THINK', content: '想一想' }, { type: 'RESPONSE', content: '地球挡住了阳光。' }]),
    3: node('3', '1', [], [{ type: 'RESPONSE', content: '月亮进入**地影**。' }]),
  };
  await open(page, `${address}#/settings`);
  await page.getByTestId('import-file').setInputFiles({ name: 'conversations.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify([{ id: 'a', title: '月食', inserted_at: '2025-03-01T10:00:00+08:00', updated_at: '2025-03-01T10:01:00+08:00', mapping }])) });
  await expect(page.getByTestId('question')).toContainText('什么是月食？');
  await expect(page.getByTestId('sidebar')).toContainText('月食');
  await expect(page.getByTestId('answer').locator('strong')).toHaveText('地影');
  await page.getByRole('button', { name: 'Previous version' }).click();
  await page.locator('.fold').first().click();
  await expect(page.getByTestId('answer')).toContainText('想一想');
  await page.goto(`${address}#/settings`);
  await page.getByTestId('import-file').setInputFiles({ name: 'other.json', mimeType: 'application/json', buffer: Buffer.from('[1]') });
  await expect(page.getByRole('alert')).toContainText('other.json is no export');
});

test('conversations kept on the server are there in another browser, too', async ({ page, address, browser }) => {
  await open(page, `${address}#/settings`);
  await page.getByLabel('Keep conversations').selectOption('server');
  await page.goto(`${address}#/`);
  await ask(page, 'What is 8 + 9?');
  await expect(await answered(page)).toContainText('17');
  const other = await browser.newPage({ locale: 'en-US' });
  await open(other, address);
  await expect(other.locator('.conversation')).toHaveCount(0);
  await other.goto(`${address}#/settings`);
  await other.getByLabel('Keep conversations').selectOption('server');
  await other.locator('.conversation a', { hasText: '8 + 9' }).click();
  await expect(other.getByTestId('answer')).toContainText('17');
  await other.close();
});
