import { answered, ask, fakeAnswer, open } from './page';
import { expect, test } from './server';

const HOSTILE = [
  '<script>window.ran = 1</script>', '<img src=x onerror="window.ran = 2">', '![x](https://evil.example/x.png)', '[x](javascript:window.ran=3)',
  '<svg onload="window.ran = 4"></svg>', '<iframe src="https://evil.example"></iframe>', '<style>body{display:none}</style>', '$\\href{javascript:window.ran=5}{x}$',
  '$\\includegraphics{https://evil.example/y.png}$', '```html\n<script>window.ran = 6</script>\n```', 'a \u202eevil\u202c b', '<a href="https://evil.example" onmouseover="window.ran = 7">x</a>',
].join('\n\n');

test('a hostile model runs nothing and fetches nothing', async ({ page, address }) => {
  const foreign: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(address) && !request.url().startsWith('blob:') && !request.url().startsWith('data:')) foreign.push(request.url());
  });
  await fakeAnswer(page, HOSTILE, { thinking: HOSTILE });
  await open(page, address);
  await ask(page, 'x');
  const answer = await answered(page);
  await answer.locator('.fold').first().click();
  await page.waitForTimeout(500);
  expect(await page.evaluate(() => (window as unknown as { ran?: number }).ran)).toBeUndefined();
  await expect(answer).toBeVisible();
  expect(await answer.locator('script, iframe, img, svg:not(.icon):not(.katex svg), style').count()).toBe(0);
  expect(foreign).toEqual([]);
});

test('endless output freezes nothing', async ({ page, address }) => {
  test.slow();
  const bombs = ['| a | b |\n|---|---|\n' + '| 1 | 2 |\n'.repeat(6000), '> '.repeat(400) + 'x', '#'.repeat(20_000), '- x\n'.repeat(5000), '*'.repeat(3000), '$x^{'.repeat(200) + '}'.repeat(200) + '$', '字'.repeat(60_000)].join('\n\n');
  await fakeAnswer(page, bombs, { pieces: 400 });
  await open(page, address);
  await page.evaluate(() => {
    const state = window as unknown as { longest: number };
    state.longest = 0;
    let last = performance.now();
    const tick = () => {
      const now = performance.now();
      state.longest = Math.max(state.longest, now - last);
      last = now;
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  });
  await ask(page, 'x');
  await answered(page);
  // A freeze, not a slow frame: machines that run this are busy. Figures are measured by web/bench.mjs.
  expect(await page.evaluate(() => (window as unknown as { longest: number }).longest)).toBeLessThan(3000);
});

test('nothing but this server is ever asked, and the policy says so', async ({ page, address }) => {
  const foreign: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(address)) foreign.push(request.url());
  });
  const response = await page.goto(address);
  const policy = response?.headers()['content-security-policy'] ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain('unsafe-eval');
  expect(/script-src[^;]*unsafe-inline/.test(policy)).toBe(false);
  for (const place of ['models', 'settings', '']) {
    await page.goto(`${address}#/${place}`);
    await page.waitForTimeout(300);
  }
  expect(foreign).toEqual([]);
});

test('formulas, code and diagrams are shown', async ({ page, address }) => {
  await fakeAnswer(page, 'So $x^2$ and\n\n$$\\frac{a}{b}$$\n\n```python\ndef f(x):\n    return x\n```\n\n```mermaid\nflowchart LR\n  A --> B\n```\n');
  await open(page, address);
  await ask(page, 'x');
  const answer = await answered(page);
  await expect(answer.locator('.katex').first()).toBeVisible();
  await expect(answer.locator('.hljs-keyword').first()).toHaveText('def');
  await answer.getByRole('button', { name: 'Draw' }).click();
  await expect(answer.locator('img.diagram')).toBeVisible({ timeout: 30_000 });
  // Two small boxes stay small.
  expect((await answer.locator('img.diagram').boundingBox())?.width).toBeLessThan(400);
});
