import AxeBuilder from '@axe-core/playwright';

import { answered, ask, fakeAnswer, open } from './page';
import { expect, test } from './server';

for (const [locale, theme, width] of [['en-US', 'light', 1280], ['zh-CN', 'dark', 1280], ['zh-CN', 'light', 390], ['en-US', 'dark', 390], ['en-US', 'light', 1920]] as const) {
  test.describe(`${locale}, ${theme}, ${width} wide`, () => {
    test.use({ locale, colorScheme: theme, viewport: { width, height: 860 } });

    test('axe finds nothing, nothing is wider than the window', async ({ page, address }) => {
      await open(page, address);
      const wide = () => page.evaluate(() => [document.documentElement, ...document.querySelectorAll('.thread, .page, .sidebar .list')].some((box) => box.scrollWidth > box.clientWidth));
      const check = async () => {
        const found = await new AxeBuilder({ page }).analyze();
        expect(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 120)).join(' | ')}`)).toEqual([]);
        expect(await wide()).toBe(false);
      };
      await check();
      await ask(page, locale === 'zh-CN' ? '347 + 895 等于多少？' : 'What is 347 + 895?');
      await expect(await answered(page)).toContainText('1242');
      await page.locator('.fold').first().click();
      await check();
      if (width < 800) {
        // The list lies over the page, and goes when something was chosen.
        await page.locator('.top .icon-button').first().click();
        await check();
        await page.getByTestId('sidebar').locator('a[href="#/settings"]').click();
        await expect(page.getByTestId('sidebar')).toHaveCount(0);
      }
      for (const place of width > 1280 ? [] : ['models', 'settings']) {
        await page.goto(`${address}#/${place}`);
        await page.getByTestId(`${place}-page`).waitFor();
        await check();
      }
    });
  });
}

test.describe('a phone', () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });

  test('shows examples, tables and versions inside its width, and its head stays where it is', async ({ page, address }) => {
    await fakeAnswer(page, `| Name | Value | Notes |\n|---|---|---|\n| alpha | 1 | ${'the first letter of the alphabet '.repeat(3)}|\n\n${'A paragraph.\n\n'.repeat(60)}`);
    await open(page, address);
    const inside = async (what: string) => {
      for (const box of await page.locator(what).all()) {
        const { x, width } = (await box.boundingBox()) as { x: number; width: number };
        expect(x).toBeGreaterThanOrEqual(0);
        expect(x + width).toBeLessThanOrEqual(390);
      }
    };
    await inside('.welcome > *, .example');
    await ask(page, 'x');
    await answered(page);
    // A word of a heading stays in one line.
    expect(await page.locator('th').first().evaluate((cell) => cell.getBoundingClientRect().height)).toBeLessThan(45);
    // What the browser scrolls to (a search in the page, the Tab key) moves the conversation, not the window.
    await page.getByTestId('question').evaluate((question) => question.scrollIntoView());
    expect(await page.locator('.top').evaluate((top) => top.getBoundingClientRect().top)).toBe(0);
    await page.getByTestId('regenerate').tap();
    await expect(page.getByTestId('branches')).toContainText('2 / 2');
    await page.getByRole('button', { name: 'Compare versions' }).tap();
    await inside('.compare > *');
    await page.keyboard.press('Escape');
    // No keys are named where there are none.
    await page.locator('.top .commands').tap();
    await expect(page.locator('.palette li').first()).toBeVisible();
    await expect(page.locator('.palette kbd').first()).toBeHidden();
  });
});

test.describe('Chinese', () => {
  test.use({ locale: 'zh-CN' });
  test('is complete on the page of models, too', async ({ page, address }) => {
    await open(page, `${address}#/models`);
    await expect(page.locator('.card').nth(1)).toBeVisible({ timeout: 30_000 });
    await page.locator('summary').click();
    const latin = (await page.getByTestId('models-page').innerText()).replace(/r1-nano|limpid|(?:Deep|Moon|Smol|Qwen|Llama|Kimi)[\w.-]*|Instruct|I?Q\d\w*|Math|BF16/g, '').match(/[A-Za-z]{3,}/g);
    expect(latin).toBeNull();
  });
  test('is complete on the first page', async ({ page, address }) => {
    await open(page, address);
    await expect(page.getByTestId('welcome')).toContainText('想知道什么');
    expect(await page.evaluate(() => document.documentElement.lang)).toBe('zh-CN');
    const latin = (await page.locator('body').innerText()).replace(/r1-nano|Ctrl K|limpid/g, '').match(/[A-Za-z]{3,}/g);
    expect(latin).toBeNull();
  });
});
