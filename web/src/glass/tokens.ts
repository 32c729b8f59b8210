// Tokens as they are read: those whose bytes are part of a character are joined with the ones that complete it.
import type { TokenLogprob } from '../api/types';

export interface ShownToken {
  text: string;
  first: number; // index of its first token in the trace
  last: number;
  surprise: number; // bits, of the least likely of its tokens
}

/** Joins tokens that hold parts of one character. */
export function joinTokens(tokens: TokenLogprob[]): ShownToken[] {
  const out: ShownToken[] = [];
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let held: number[] = [];
  let first = 0;
  let surprise = 0;
  tokens.forEach((token, index) => {
    const bits = Number.isFinite(token.logprob) ? -token.logprob / Math.LN2 : 0;
    if (!held.length) {
      first = index;
      surprise = 0;
    }
    surprise = Math.max(surprise, bits);
    if (!token.bytes) {
      out.push({ text: token.token, first, last: index, surprise });
      held = [];
      return;
    }
    held.push(...token.bytes);
    try {
      out.push({ text: decoder.decode(new Uint8Array(held)), first, last: index, surprise });
      held = [];
    } catch {
      if (held.length > 8) {
        out.push({ text: new TextDecoder().decode(new Uint8Array(held)), first, last: index, surprise });
        held = [];
      }
    }
  });
  if (held.length) out.push({ text: new TextDecoder().decode(new Uint8Array(held)), first, last: tokens.length - 1, surprise });
  return out;
}

const MARK = /^<(?:\/?think|｜[^｜]*｜)>$/;

/** Without marks of the model's format and without white space at the ends: what the text of the answer shows. */
export function readable(tokens: ShownToken[]): ShownToken[] {
  const kept = tokens.filter((token) => !MARK.test(token.text));
  let from = 0;
  let to = kept.length;
  while (from < to && !kept[from]!.text.trim()) from += 1;
  while (to > from && !kept[to - 1]!.text.trim()) to -= 1;
  return kept.slice(from, to);
}

/** 0 (expected) to 5 (very surprising), for the colour. */
export function level(bits: number): number {
  return bits < 0.15 ? 0 : bits < 0.6 ? 1 : bits < 1.5 ? 2 : bits < 3 ? 3 : bits < 6 ? 4 : 5;
}

/** A token as it is read: white space made visible. */
export function visible(token: string): string {
  return token.replace(/\n/g, '⏎').replace(/\t/g, '⇥').replace(/^ | $/g, '␣') || '∅';
}
