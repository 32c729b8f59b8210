// The conversation that is shown. It follows what streams while the reader is at its end, and stays where the reader
// scrolled to otherwise. A new conversation begins with what the model can do.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

import { language, t } from '../i18n';
import { current, info, model, shown } from '../state/app';
import { askQuestion, runOf, runs } from '../state/answer';
import { settings } from '../state/settings';
import { examples } from '../i18n/examples';
import { go } from '../state/app';
import { Answer, Question } from './MessageView';
import { Icon } from './icons';
import { lazy } from './lazy';

const Fits = lazy(() => import('../pages/Models').then((m) => m.Fits), true);

function Welcome() {
  const [fits, setFits] = useState(false);
  const chosen = model.value;
  const nano = chosen?.id === 'r1-nano';
  return (
    <section class="welcome" data-testid="welcome">
      <h1>{t('welcome')}</h1>
      {chosen && <p>{t('welcomeModel', { name: chosen.id })}{language.value === 'zh' ? '' : ' '}{nano ? t('nanoCan') : chosen.description ?? ''}</p>}
      {nano && <p class="quiet">{t('nanoCannot')}</p>}
      <div class="examples">
        {examples(nano).map((text) => (
          <button type="button" key={text} class="example" onClick={() => void askQuestion({ text, attachments: [], think: settings.value.think, search: false })}>
            {text}
          </button>
        ))}
      </div>
      {nano && info.value?.features.plan && (
        // Looking at the machine takes a few seconds of its processor: only for who asks.
        <details class="fits" onToggle={(e) => setFits(e.currentTarget.open)}>
          <summary data-testid="other-models">{t('otherModels')}</summary>
          <h2 class="visually-hidden">{t('modelsFit')}</h2>
          {fits && <Fits most={4} />}
          {fits && <button type="button" class="link" onClick={() => go('#/models')}>{t('allModels')} <Icon name="next" size={14} /></button>}
        </details>
      )}
    </section>
  );
}

export function Thread() {
  const messages = shown.value;
  const id = current.value.id;
  const running = runOf(id);
  const scroller = useRef<HTMLDivElement>(null);
  const stick = useRef(true);
  const [away, setAway] = useState(false);
  const toEnd = () => {
    const box = scroller.current;
    if (box) box.scrollTop = 1e9; // beyond the end: the browser stops there, without being asked for heights first
  };
  useLayoutEffect(() => {
    stick.current = true;
    setAway(false);
    toEnd();
  }, [id]);
  useLayoutEffect(() => {
    if (stick.current) toEnd();
  });
  useEffect(() => {
    // Formulas, colours and folding change heights later.
    const box = scroller.current?.firstElementChild;
    if (!box) return undefined;
    const observer = new ResizeObserver(() => {
      if (stick.current) toEnd();
    });
    observer.observe(box);
    return () => observer.disconnect();
  }, [messages.length > 0]);
  const onScroll = () => {
    const box = scroller.current;
    if (!box) return;
    const gap = box.scrollHeight - box.scrollTop - box.clientHeight;
    stick.current = gap < 40;
    setAway(gap > 400);
  };
  const last = messages[messages.length - 1];
  const finished = last?.role === 'assistant' && !runs.value[last.id] ? last : undefined;
  return (
    <div class="thread" ref={scroller} onScroll={onScroll} tabIndex={0} role="region" aria-label={t('conversation')} data-testid="thread">
      <div class="column">
        {messages.length === 0 ? <Welcome /> : messages.map((message, index) =>
          message.role === 'user' ? <Question key={message.id} message={message} /> : <Answer key={message.id} message={message} question={messages[index - 1]} />)}
        {/* Said once when an answer is whole: a live region on streaming text would read every token. */}
        <div class="visually-hidden" role="status">{running ? '' : finished ? t('answerReady') : ''}</div>
      </div>
      {away && <button type="button" class="to-end" aria-label={t('toEnd')} onClick={toEnd}><Icon name="down" /></button>}
    </div>
  );
}
