// Markdown to HTML that is safe to show: what a model writes is hostile until proved otherwise. markdown-it without raw
// HTML, then DOMPurify with a short list of elements and attributes. Nothing is fetched: a picture becomes a link that
// says so. Formulas and diagrams become empty elements with their source in data-attributes; ui/Markdown.tsx fills them.
import DOMPurify from 'dompurify';
import MarkdownIt from 'markdown-it';

import { mathRules } from './math';

const md = new MarkdownIt({ html: false, linkify: true, breaks: false, typographer: false });
Object.assign(md.options, { maxNesting: 40 });
md.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
md.use(mathRules);

// A single star between letters, digits or brackets multiplies ("7*3*2"); emphasis there is rarer than sums are.
const OPERAND = /[\p{L}\p{N})\]]/u;
md.inline.ruler.before('emphasis', 'times', (state, silent) => {
  const { src, pos } = state;
  if (src[pos] !== '*' || src[pos - 1] === '*' || src[pos + 1] === '*') return false;
  if (!OPERAND.test(src[pos - 1] ?? '') || !/[\p{L}\p{N}(\[]/u.test(src[pos + 1] ?? '')) return false;
  if (!silent) state.pending += '*';
  state.pos += 1;
  return true;
});

const ALLOWED_LINK = /^(?:https?:|mailto:)/i;
md.validateLink = (url) => ALLOWED_LINK.test(url.trim());

md.renderer.rules.image = (tokens, index) => {
  const token = tokens[index]!;
  const address = String(token.attrGet('src') ?? '');
  const words = md.utils.escapeHtml(token.content || address);
  return `<a class="picture" href="${md.utils.escapeHtml(address)}" title="${md.utils.escapeHtml(address)}">▧ ${words}</a>`;
};

md.renderer.rules.link_open = (tokens, index, options, _env, self) => {
  const token = tokens[index]!;
  token.attrSet('title', String(token.attrGet('href') ?? ''));
  return self.renderToken(tokens, index, options);
};

md.renderer.rules.table_open = () => '<div class="table"><table>';
md.renderer.rules.table_close = () => '</table></div>';

// The policy takes no style attributes: a column's side is a class.
for (const rule of ['th_open', 'td_open'] as const)
  md.renderer.rules[rule] = (tokens, index, options, _env, self) => {
    const token = tokens[index]!;
    const side = /text-align:(right|center)/.exec(String(token.attrGet('style') ?? ''))?.[1];
    token.attrs = (token.attrs ?? []).filter(([name]) => name !== 'style');
    if (side) token.attrSet('class', side);
    return self.renderToken(tokens, index, options);
  };

/** The word after ``` : letters, digits and +-#. only. */
export function languageOf(info: string): string {
  return (/^[\w+#.-]{1,24}/.exec(info.trim())?.[0] ?? '').toLowerCase();
}

md.renderer.rules.fence = (tokens, index) => {
  const token = tokens[index]!;
  const language = languageOf(token.info);
  return `<pre data-language="${md.utils.escapeHtml(language)}"><code>${md.utils.escapeHtml(showBidi(token.content))}</code></pre>`;
};
md.renderer.rules.code_block = (tokens, index) =>
  `<pre data-language=""><code>${md.utils.escapeHtml(showBidi(tokens[index]!.content))}</code></pre>`;
md.renderer.rules.code_inline = (tokens, index) => `<code>${md.utils.escapeHtml(showBidi(tokens[index]!.content))}</code>`;

// Controls of direction can make code read as what it is not ("Trojan Source", Boucher and Anderson, 2021): shown.
const BIDI = /[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]/g;
export function showBidi(text: string): string {
  return text.replace(BIDI, (c) => `⟦U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟧`);
}

// Outside of code they are taken out: paragraphs have dir="auto", which is all that honest text needs.
function withoutOverrides(text: string): string {
  return text.replace(/[\u202a-\u202e]/g, '');
}

const CITATION = /\[citation:(\d{1,3})\]/g;
md.core.ruler.push('citations', (state) => {
  for (const block of state.tokens) {
    if (block.type !== 'inline' || !block.children) continue;
    for (const child of block.children) {
      if (child.type !== 'text' || !child.content.includes('[citation:')) continue;
      child.type = 'html_inline';
      child.content = md.utils
        .escapeHtml(child.content)
        .replace(CITATION, (_whole, n: string) => `<button type="button" class="citation" data-citation="${n}">${n}</button>`);
    }
  }
});

// "- [ ] to do" and "- [x] done".
md.core.ruler.push('tasks', ({ tokens }) => {
  for (let i = 2; i < tokens.length; i += 1) {
    const first = tokens[i]?.children?.[0];
    const task = first?.type === 'text' ? /^\[([ xX])\](?= )/.exec(first.content) : null;
    if (!first || !task || tokens[i]?.type !== 'inline' || tokens[i - 2]?.type !== 'list_item_open') continue;
    first.content = (task[1] === ' ' ? '☐' : '☑') + first.content.slice(3);
    tokens[i - 2]?.attrJoin('class', 'task');
  }
});

const purify = typeof window === 'undefined' ? null : DOMPurify(window);
purify?.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName === 'A') {
    node.setAttribute('target', '_blank');
    node.setAttribute('rel', 'noopener noreferrer nofollow');
  }
  if (/^(?:P|LI|H[1-6]|TD|TH|BLOCKQUOTE)$/.test(node.tagName)) node.setAttribute('dir', 'auto');
});

const ELEMENTS = ['p', 'br', 'hr', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'ul', 'ol', 'li', 'blockquote', 'strong', 'em', 's', 'a',
  'code', 'pre', 'table', 'thead', 'tbody', 'tr', 'th', 'td', 'div', 'span', 'button'];

export function renderMarkdown(source: string): string {
  const html = md.render(withoutOverrides(source), {});
  if (!purify) return html;
  return purify.sanitize(html, {
    ALLOWED_TAGS: ELEMENTS,
    ALLOWED_ATTR: ['href', 'title', 'class', 'start', 'type', 'data-language', 'data-math', 'data-display', 'data-citation', 'target', 'rel', 'dir'],
    // Addresses are checked by ALLOWED_URI_REGEXP; these hold none.
    ADD_URI_SAFE_ATTR: ['data-language', 'data-math', 'data-display', 'data-citation', 'start', 'type', 'target', 'rel', 'dir'],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ALLOWED_URI_REGEXP: ALLOWED_LINK,
  });
}
