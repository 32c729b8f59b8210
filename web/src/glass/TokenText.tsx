// The text of an answer token by token: coloured by surprise, each with its probability and alternatives on hover or
// focus; a click on an alternative writes the answer again from there. A drag over tokens, or Shift with the arrows, picks
// a phrase. One stop for the Tab key: arrows go from token to token, Enter into the alternatives.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';

import type { TokenLogprob } from '../api/types';
import { number, t } from '../i18n';
import { branchFromToken, traceVersion } from '../state/answer';
import type { Message } from '../state/tree';
import { glassFocus } from './focus';
import { joinTokens, level, readable, type ShownToken, visible } from './tokens';

export function TokenText({ message, part }: { message: Message; part: 'thinking' | 'answer' }) {
  const version = traceVersion.value;
  const tokens = message.trace?.[part] ?? [];
  const shown = useMemo(() => readable(joinTokens(tokens)), [tokens, tokens.length, version]);
  const [open, setOpen] = useState<number | null>(null);
  const [at, setAt] = useState(0); // that the Tab key reaches
  const box = useRef<HTMLDivElement>(null);
  const offset = part === 'answer' ? (message.trace?.thinking.length ?? 0) : 0;
  const pressed = useRef<number | null>(null);
  const pick = (to: number) => {
    if (pressed.current === null || pressed.current === to) return;
    const part = shown.slice(Math.min(pressed.current, to), Math.max(pressed.current, to) + 1);
    const first = part[0] as ShownToken;
    const last = part[part.length - 1] as ShownToken;
    setOpen(null);
    glassFocus.value = { message: message.id, from: offset + first.first, to: offset + last.last + 1, phrase: part.map((token) => token.text).join('').trim(), dragged: true };
  };
  // While a phrase is picked, no token opens under the pointer.
  const busy = () => glassFocus.value?.dragged ?? false;
  const focus = glassFocus.value?.message === message.id && glassFocus.value.phrase ? glassFocus.value : null;
  useEffect(() => {
    for (const span of box.current?.querySelectorAll<HTMLElement>('.token') ?? []) {
      const first = offset + Number(span.dataset.first);
      span.classList.toggle('picked', focus !== null && first >= focus.from && first < focus.to);
    }
  }, [focus, offset, shown]);
  const element = (index: number) => box.current?.querySelectorAll<HTMLElement>('.token')[index];
  const look = (index: number) => {
    const token = shown[index] as ShownToken;
    setOpen(index);
    glassFocus.value = { message: message.id, from: offset + token.first, to: offset + token.last + 1 };
  };
  const onKey = (event: KeyboardEvent) => {
    const inside = (event.target as HTMLElement).closest('.alternatives') !== null;
    const go = (index: number) => {
      event.preventDefault();
      const to = Math.max(0, Math.min(shown.length - 1, index));
      if (event.shiftKey) pressed.current ??= at;
      else pressed.current = null;
      setAt(to);
      element(to)?.focus();
      if (event.shiftKey) pick(to);
      else if (busy()) look(to);
    };
    if (event.key === 'Escape' && open !== null) {
      event.stopPropagation();
      if (inside) element(open)?.focus();
      setOpen(null);
    } else if (inside) return;
    else if (event.key === 'ArrowRight') go(at + 1);
    else if (event.key === 'ArrowLeft') go(at - 1);
    else if (event.key === 'Home') go(0);
    else if (event.key === 'End') go(shown.length - 1);
    else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      look(at);
      requestAnimationFrame(() => box.current?.querySelector<HTMLElement>('.alternatives button:not(:disabled)')?.focus());
    }
  };
  const opened = open === null ? undefined : shown[open];
  return (
    <div ref={box} class="token-text" data-testid={`tokens-${part}`} role="group" aria-label={t(part === 'thinking' ? 'thinking' : 'answer')} onMouseLeave={() => setOpen(null)} onKeyDown={onKey}>
      {shown.map((token, index) => (
        <span
          key={token.first}
          class={`token level-${level(token.surprise)} ${open === index ? 'open' : ''}`}
          tabIndex={index === Math.min(at, shown.length - 1) ? 0 : -1}
          role="button"
          aria-expanded={open === index}
          aria-label={`${visible(token.text)} ${t('bits', { n: number(token.surprise, 1) })}`}
          data-first={token.first}
          data-last={token.last}
          onMouseDown={() => {
            pressed.current = index;
            if (glassFocus.value?.dragged) glassFocus.value = null;
          }}
          onMouseEnter={(e) => {
            if (e.buttons) pick(index);
            else if (!busy()) look(index);
          }}
          onFocus={(e) => { if (!busy() && e.currentTarget.matches(':focus-visible')) look(index); }}
          onClick={() => { if (!busy()) { setAt(index); look(index); } }}
        >
          {token.text}
        </span>
      ))}
      {opened && <Alternatives key={opened.first} message={message} part={part} index={opened.first} token={tokens[opened.first] as TokenLogprob} below={element(open as number)} />}
    </div>
  );
}

function Alternatives({ message, part, index, token, below }: { message: Message; part: 'thinking' | 'answer'; index: number; token: TokenLogprob; below: HTMLElement | undefined }) {
  const list = token.top_logprobs?.length ? token.top_logprobs : [token];
  const percent = (logprob: number) => `${number(Math.exp(logprob) * 100, Math.exp(logprob) < 0.01 ? 2 : 1)} %`;
  const popup = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    // Below its token, inside the text's width.
    const target = popup.current;
    const frame = target?.parentElement;
    const place = below?.getClientRects()[0];
    if (!target || !frame || !place) return;
    const around = frame.getBoundingClientRect();
    target.style.left = `${Math.max(0, Math.min(place.left - around.left, around.width - target.offsetWidth))}px`;
    target.style.top = `${place.bottom - around.top}px`;
  }, [below]);
  return (
    <span ref={popup} class="alternatives" role="group" aria-label={t('alternatives')}>
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
