// The thinking of an answer: live, timed, folded and unfolded from its head or its foot, searchable, editable. While it
// goes on, "answer now" ends it; an edited thinking goes on from there.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';

import { seconds, t } from '../i18n';
import { continueFromThinking, type Run, stopThinking } from '../state/answer';
import { settings } from '../state/settings';
import type { Message } from '../state/tree';
import { TokenText } from './glass';
import { Icon, IconButton } from './icons';
import { Markdown } from './Markdown';

function useClock(running: boolean): number {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    if (!running) return undefined;
    const timer = setInterval(() => setNow(performance.now()), 200);
    return () => clearInterval(timer);
  }, [running]);
  return now;
}

/** Ranges of `needle` in the texts below `root`, shown by the CSS highlight API where there is one. */
function mark(root: HTMLElement | null, needle: string): number {
  const registry = (CSS as unknown as { highlights?: Map<string, unknown> }).highlights;
  const make = (globalThis as unknown as { Highlight?: new (...ranges: Range[]) => unknown }).Highlight;
  registry?.delete('found');
  if (!root || !needle) return 0;
  const ranges: Range[] = [];
  const lower = needle.toLowerCase();
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = (node.textContent ?? '').toLowerCase();
    for (let at = text.indexOf(lower); at >= 0; at = text.indexOf(lower, at + lower.length)) {
      const range = document.createRange();
      range.setStart(node, at);
      range.setEnd(node, at + lower.length);
      ranges.push(range);
    }
  }
  if (registry && make && ranges.length) registry.set('found', new make(...ranges));
  ranges[0]?.startContainer.parentElement?.scrollIntoView({ block: 'nearest' });
  return ranges.length;
}

export function Thinking({ message, run, glass }: { message: Message; run: Run | undefined; glass: boolean }) {
  const live = run !== undefined && run.phase !== 'answer';
  const [chosen, choose] = useState<boolean | null>(null);
  const preference = settings.value.showThinking;
  const open = chosen ?? (preference === 'open' || (preference === 'live' && live));
  const now = useClock(live);
  const [editing, setEditing] = useState<string | null>(null);
  const [needle, setNeedle] = useState<string | null>(null);
  const body = useRef<HTMLDivElement>(null);
  const found = useMemo(() => (needle === null ? 0 : mark(body.current, needle)), [needle, message.thinking]);
  useEffect(() => () => void mark(null, ''), []);
  const spent = live ? (now - run.started) / 1000 : (message.figures?.thinkingSeconds ?? 0);
  const title = live ? t('thinkingFor', { time: seconds(spent) }) : spent > 0 ? t('thoughtFor', { time: seconds(spent) }) : t('thought');
  const fold = () => choose(!open);
  const bodyId = `thinking-${message.id}`;

  return (
    <section class={`thinking ${live ? 'live' : ''}`} aria-label={t('thinking')} data-testid="thinking">
      <div class="thinking-head">
        <button type="button" class="fold" aria-expanded={open} aria-controls={bodyId} onClick={fold}>
          <Icon name="think" size={16} />
          <span>{title}</span>
          <Icon name={open ? 'down' : 'next'} size={14} />
        </button>
        {open && !live && <IconButton icon="search" size={15} label={t('searchThinking')} onClick={() => setNeedle(needle === null ? '' : null)} />}
        {open && !live && <IconButton icon="edit" size={15} label={t('editThinking')} onClick={() => setEditing(message.thinking ?? '')} testId="edit-thinking" />}
        {live && run.phase === 'thinking' && (
          <button type="button" class="small" disabled={run.stopping} onClick={() => stopThinking(message.id)} data-testid="answer-now">
            <Icon name="skip" size={14} /> {run.stopping ? t('stoppingThinking') : t('answerNow')}
          </button>
        )}
      </div>
      {open && needle !== null && (
        <div class="find">
          <input type="search" value={needle} placeholder={t('searchThinking')} aria-label={t('searchThinking')} onInput={(e) => setNeedle(e.currentTarget.value)} autoFocus />
          <span class="quiet" role="status">{needle ? t('found', { n: found }) : ''}</span>
        </div>
      )}
      {open && (
        <div id={bodyId} class="thinking-body" ref={body}>
          {editing !== null ? (
            <div class="edit-thinking">
              <textarea value={editing} aria-label={t('editThinking')} rows={Math.min(18, editing.split('\n').length + 2)} onInput={(e) => setEditing(e.currentTarget.value)} />
              <div class="row">
                <button type="button" class="primary" onClick={() => { continueFromThinking(message.id, editing, false); setEditing(null); }} data-testid="think-on">
                  {t('thinkOn')}
                </button>
                <button type="button" onClick={() => { continueFromThinking(message.id, editing, true); setEditing(null); }}>
                  {t('answerFromThis')}
                </button>
                <button type="button" onClick={() => setEditing(null)}>{t('cancel')}</button>
              </div>
            </div>
          ) : glass && message.trace && message.trace.thinking.length > 0 ? (
            <TokenText message={message} part="thinking" />
          ) : (
            <Markdown text={message.thinking ?? ''} streaming={live} />
          )}
          {!live && editing === null && (message.thinking ?? '').length > 1200 && (
            <button type="button" class="fold foot" onClick={fold}>
              <Icon name="down" size={14} /> {t('foldThinking')}
            </button>
          )}
        </div>
      )}
    </section>
  );
}
