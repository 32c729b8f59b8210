import { describe, expect, it } from 'vitest';

import { renderMarkdown, showBidi } from '../../src/text/markdown';

function page(source: string): HTMLElement {
  const element = document.createElement('div');
  element.innerHTML = renderMarkdown(source);
  return element;
}

describe('renderMarkdown', () => {
  it('renders tables, code, lists and emphasis', () => {
    const html = page('**b** `c`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- x\n');
    expect(html.querySelector('strong')?.textContent).toBe('b');
    expect(html.querySelectorAll('td').length).toBe(2);
    expect(html.querySelector('li')?.textContent).toBe('x');
  });
  it('shows boxes of tasks', () => {
    const html = page('- [ ] to do\n- [x] **done**\n- [y] text\n- [ ]x\n\n[ ] no list\n');
    expect([...html.querySelectorAll('li')].map((li) => [li.className, li.textContent])).toEqual([['task', '☐ to do'], ['task', '☑ done'], ['', '[y] text'], ['', '[ ]x']]);
    expect(html.querySelector('div > p')?.textContent ?? html.textContent).toContain('[ ] no list');
  });
  it('keeps the sides of columns, without a style', () => {
    const html = page('| a | b | c |\n|:--|--:|:-:|\n| 1 | 2 | 3 |\n');
    expect([...html.querySelectorAll('td')].map((td) => td.className)).toEqual(['', 'right', 'center']);
    expect(html.querySelector('[style]')).toBeNull();
  });
  it('keeps the source of formulas, and leaves money alone', () => {
    const html = page('It is $x^2$ and \\(y_1\\), for $5 or $10.\n\n$$\\frac{a}{b}$$\n\n\\[z\\]');
    expect([...html.querySelectorAll<HTMLElement>('.math')].map((m) => m.dataset.math)).toEqual(['x^2', 'y_1', '\\frac{a}{b}', 'z']);
    expect(html.textContent).toContain('for $5 or $10.');
  });
  it('takes a star between operands for a product', () => {
    const html = page('7*3*2=42, no*8=80;7*3, f(x)*g(y)*2, but *this* and **that** and 中**文**字');
    expect(html.textContent).toContain('7*3*2=42, no*8=80;7*3, f(x)*g(y)*2');
    expect([...html.querySelectorAll('em, strong')].map((e) => e.textContent)).toEqual(['this', 'that', '文']);
  });
  it('turns citations into buttons', () => {
    const html = page('So it is.[citation:3][citation:12] `[citation:4]`');
    expect([...html.querySelectorAll<HTMLElement>('.citation')].map((c) => c.dataset.citation)).toEqual(['3', '12']);
  });
  it('runs nothing and fetches nothing, whatever a model writes', () => {
    const attacks = [
      '<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '![a](https://evil.example/x.png)', '![a](javascript:alert(1))', '[a](javascript:alert(1))',
      '[a](data:text/html,<script>alert(1)</script>)', '<iframe src="https://evil.example"></iframe>', '<a href="x" onclick="alert(1)">x</a>', '<svg onload=alert(1)>',
      '<style>*{display:none}</style>', '<link rel=stylesheet href=//evil.example>', '<form action=//evil.example><input name=a></form>', '[x]: javascript:alert(1)\n[x]',
      '<math><mi//xlink:href="data:x,<script>alert(1)</script>">', '```"><img src=x onerror=alert(1)>\nx\n```', '$<img src=x onerror=alert(1)>$', '[citation:1"><img src=x onerror=alert(1)>]',
      'https://a.example/"onmouseover="alert(1)', '<details open ontoggle=alert(1)>', '[a](vbscript:x)', '<base href="//evil.example/">', '<meta http-equiv=refresh content="0;url=//evil.example">',
    ];
    for (const attack of attacks) {
      const html = page(attack);
      expect(html.querySelector('script, img, iframe, style, link, form, input, svg, math, object, embed, base, meta, details, video, audio, source')).toBeNull();
      for (const element of html.querySelectorAll('*')) {
        for (const attribute of element.attributes) {
          expect(attribute.name.startsWith('on')).toBe(false);
          expect(['src', 'srcset', 'style', 'action', 'formaction', 'background']).not.toContain(attribute.name);
        }
        const href = element.getAttribute('href');
        if (href !== null) expect(href).toMatch(/^(https?:|mailto:)/i);
      }
    }
  });
  it('opens links elsewhere, without telling where from', () => {
    const link = page('[a](https://example.org)').querySelector('a');
    expect(link?.target).toBe('_blank');
    expect(link?.rel).toContain('noreferrer');
  });
  it('shows controls of direction in code and takes overrides out of text', () => {
    expect(showBidi('a\u202eb')).toBe('a⟦U+202E⟧b');
    expect(page('a\u202eb').textContent?.trim()).toBe('ab');
  });
  it('stays linear on deep nesting', () => {
    const start = performance.now();
    page('>'.repeat(5000) + ' x');
    page('['.repeat(5000));
    page('*'.repeat(5000) + 'a');
    page('- '.repeat(2000) + 'x');
    expect(performance.now() - start).toBeLessThan(4000);
  });
});
