import AxeBuilder from '@axe-core/playwright';

import { answered, ask, open } from './page';
import { expect, test } from './server';

for (const [locale, theme, width] of [['en-US', 'light', 1280], ['zh-CN', 'dark', 1280], ['zh-CN', 'light', 390], ['en-US', 'dark', 390], ['en-US', 'light', 1920]] as const) {
  test.describe(`${locale}, ${theme}, ${width} wide`, () => {
    test.use({ locale, colorScheme: theme, viewport: { width, height: 860 } });

    test('axe finds nothing, nothing is wider than the window', async ({ page, address }) => {
      await open(page, address);
      const wide = () => page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
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

test.describe('Chinese', () => {
  test.use({ locale: 'zh-CN' });
  test('is complete on the first page', async ({ page, address }) => {
    await open(page, address);
    await expect(page.getByTestId('welcome')).toContainText('想知道什么');
    expect(await page.evaluate(() => document.documentElement.lang)).toBe('zh-CN');
    const latin = (await page.locator('body').innerText()).replace(/r1-nano|Ctrl K|limpid/g, '').match(/[A-Za-z]{3,}/g);
    expect(latin).toBeNull();
  });
});
