// What of an answer is looked at: one token (hovered, or under the pointer on the strip), or the tokens of a phrase that
// is selected. The token's text, the strip and the map of experts show the same.
import { signal } from '@preact/signals';

import type { TokenLogprob } from '../api/types';
import { joinTokens } from './tokens';

/** Indices into the whole trace, the thinking first; `to` is behind the last. */
export interface Focus {
  message: string;
  from: number;
  to: number;
  phrase?: string;
  /** Chosen by the pointer over tokens: stays until another one is pressed, whatever the browser selects meanwhile. */
  dragged?: boolean;
}

export const glassFocus = signal<Focus | null>(null);

const letters = (text: string): string => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');

/** The tokens that wrote a phrase of the shown text: those with its letters and digits, nearest to its place. `before`:
 *  the text in front of it. Marks of Markdown and white space do not count: what is shown has lost them. */
export function phraseTokens(tokens: TokenLogprob[], phrase: string, before: string): { from: number; to: number } | null {
  const wanted = letters(phrase);
  if (!wanted) return null;
  let text = '';
  const owner: { first: number; last: number }[] = [];
  for (const token of joinTokens(tokens)) {
    const part = letters(token.text);
    text += part;
    for (let i = 0; i < part.length; i += 1) owner.push(token);
  }
  const place = letters(before).length;
  let best = -1;
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
    if (best < 0 || Math.abs(at - place) < Math.abs(best - place)) best = at;
    if (at > place) break;
  }
  if (best < 0) return null;
  return { from: owner[best]!.first, to: owner[best + wanted.length - 1]!.last + 1 };
}

/** The tokens of what is selected inside an answer; null where nothing is. */
export function selectedTokens(article: HTMLElement, message: string, trace: { thinking: TokenLogprob[]; answer: TokenLogprob[] }): Focus | null {
  const selection = getSelection();
  if (!selection || selection.isCollapsed || !selection.rangeCount) return null;
  const range = selection.getRangeAt(0);
  const phrase = selection.toString().trim();
  if (!phrase || !article.contains(range.commonAncestorContainer)) return null;
  const element = (node: Node) => (node instanceof Element ? node : node.parentElement);
  const box = element(range.commonAncestorContainer)?.closest<HTMLElement>('.token-text, .markdown');
  if (!box) return null;
  const thinking = box.closest('.thinking') !== null;
  const offset = thinking ? 0 : trace.thinking.length;
  const first = element(range.startContainer)?.closest<HTMLElement>('.token');
  const last = element(range.endContainer)?.closest<HTMLElement>('.token');
  if (first && last) return { message, phrase, from: offset + Number(first.dataset.first), to: offset + Number(last.dataset.last) + 1 };
  const before = document.createRange();
  before.selectNodeContents(box);
  before.setEnd(range.startContainer, range.startOffset);
  const found = phraseTokens(thinking ? trace.thinking : trace.answer, phrase, before.toString());
  return found && { message, phrase, from: offset + found.from, to: offset + found.to };
}
