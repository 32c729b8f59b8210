// The text of an answer token by token: coloured by surprise, each with its probability and alternatives on hover or
// focus; a click on an alternative writes the answer again from there. Tokens whose bytes are part of a character are
// shown joined with the ones that complete it.
import { useMemo, useState } from 'preact/hooks';

import type { TokenLogprob } from '../api/types';
import { number, t } from '../i18n';
import { branchFromToken, traceVersion } from '../state/answer';
import type { Message } from '../state/tree';
import { glassFocus } from './focus';

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

export function TokenText({ message, part }: { message: Message; part: 'thinking' | 'answer' }) {
  const version = traceVersion.value;
  const tokens = message.trace?.[part] ?? [];
  const shown = useMemo(() => readable(joinTokens(tokens)), [tokens, tokens.length, version]);
  const [open, setOpen] = useState<number | null>(null);
  const offset = part === 'answer' ? (message.trace?.thinking.length ?? 0) : 0;
  return (
    <div class="token-text" data-testid={`tokens-${part}`} onMouseLeave={() => setOpen(null)}>
      {shown.map((token, index) => (
        <span
          key={token.first}
          class={`token level-${level(token.surprise)} ${open === index ? 'open' : ''}`}
          tabIndex={0}
          role="button"
          aria-expanded={open === index}
          aria-label={`${visible(token.text)} ${t('bits', { n: number(token.surprise, 1) })}`}
          onMouseEnter={() => { setOpen(index); glassFocus.value = { message: message.id, index: offset + token.first }; }}
          onFocus={() => { setOpen(index); glassFocus.value = { message: message.id, index: offset + token.first }; }}
          onClick={() => setOpen(open === index ? null : index)}
          onKeyDown={(e) => { if (e.key === 'Escape') setOpen(null); }}
        >
          {token.text}
          {open === index && <Alternatives message={message} part={part} index={token.first} token={tokens[token.first] as TokenLogprob} />}
        </span>
      ))}
    </div>
  );
}

function Alternatives({ message, part, index, token }: { message: Message; part: 'thinking' | 'answer'; index: number; token: TokenLogprob }) {
  const list = token.top_logprobs?.length ? token.top_logprobs : [token];
  const percent = (logprob: number) => `${number(Math.exp(logprob) * 100, Math.exp(logprob) < 0.01 ? 2 : 1)} %`;
  return (
    <span class="alternatives" role="group" aria-label={t('alternatives')}>
      {list.map((other) => {
        const taken = other.token === token.token;
        return (
          <button
            type="button"
            key={other.token}
            class={taken ? 'taken' : ''}
            disabled={taken}
            title={taken ? t('taken') : t('branchHere')}
            onClick={(e) => { e.stopPropagation(); branchFromToken(message.id, part, index, other); }}
          >
            <code>{visible(other.token)}</code>
            <meter class="bar" min={0} max={1} value={Math.exp(other.logprob)} aria-hidden="true" />
            <span>{percent(other.logprob)}</span>
          </button>
        );
      })}
    </span>
  );
}
