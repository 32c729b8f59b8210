// Formulas in Markdown: $...$ and \(...\) in a line, $$...$$ and \[...\] as a block, as DeepSeek's models write them.
// They become <span class="math" data-math="..." data-display="0|1">; KaTeX fills them later, in the page.
import type MarkdownIt from 'markdown-it';

type InlineRule = Parameters<MarkdownIt['inline']['ruler']['before']>[2];
type BlockRule = Parameters<MarkdownIt['block']['ruler']['before']>[2];
type StateInline = Parameters<InlineRule>[0];
type StateBlock = Parameters<BlockRule>[0];

function closing(source: string, mark: string, from: number, to: number): number {
  for (let at = source.indexOf(mark, from); at >= 0 && at < to; at = source.indexOf(mark, at + 1))
    if (source[at - 1] !== '\\' || mark[0] === '\\') return at;
  return -1;
}

function inlineRule(state: StateInline, silent: boolean): boolean {
  const { src, pos, posMax } = state;
  let open: string;
  let close: string;
  if (src.startsWith('$$', pos)) [open, close] = ['$$', '$$'];
  else if (src[pos] === '$') [open, close] = ['$', '$'];
  else if (src.startsWith('\\(', pos)) [open, close] = ['\\(', '\\)'];
  else if (src.startsWith('\\[', pos)) [open, close] = ['\\[', '\\]'];
  else return false;
  const start = pos + open.length;
  const end = closing(src, close, start, posMax);
  if (end <= start) return false;
  const content = src.slice(start, end);
  if (open === '$') {
    // Money is no formula: no space inside the marks, no digit behind the closing one (Pandoc's rule).
    if (/^\s|\s$/.test(content) || /\d/.test(src[end + 1] ?? '')) return false;
    if (content.includes('\n\n')) return false;
  }
  if (!silent) {
    const token = state.push('math', 'span', 0);
    token.content = content;
    token.markup = open === '$' || open === '\\(' ? '0' : '1';
  }
  state.pos = end + close.length;
  return true;
}

function blockRule(state: StateBlock, startLine: number, endLine: number, silent: boolean): boolean {
  const first = state.bMarks[startLine]! + state.tShift[startLine]!;
  const open = state.src.startsWith('$$', first) ? '$$' : state.src.startsWith('\\[', first) ? '\\[' : '';
  if (!open || state.sCount[startLine]! - state.blkIndent >= 4) return false;
  const close = open === '$$' ? '$$' : '\\]';
  const end = closing(state.src, close, first + 2, state.eMarks[endLine - 1]!);
  if (end < 0) return false;
  let line = startLine;
  while (line < endLine && state.eMarks[line]! < end) line += 1;
  if (state.src.slice(end + 2, state.eMarks[line]!).trim()) return false;
  if (silent) return true;
  const token = state.push('math', 'div', 0);
  token.block = true;
  token.content = state.src.slice(first + 2, end).trim();
  token.markup = '1';
  token.map = [startLine, line + 1];
  state.line = line + 1;
  return true;
}

export function mathRules(md: MarkdownIt): void {
  md.inline.ruler.before('escape', 'math', inlineRule);
  md.block.ruler.before('fence', 'math_block', blockRule, { alt: ['paragraph', 'blockquote', 'list'] });
  md.renderer.rules.math = (tokens, index) => {
    const token = tokens[index]!;
    const text = md.utils.escapeHtml(token.content);
    const tag = token.block ? 'div' : 'span';
    return `<${tag} class="math" data-math="${text}" data-display="${token.markup}">${text}</${tag}>`;
  };
}
