// One message: a question with its files, or an answer with its thinking, its text and what can be done with it.
import { useEffect, useRef, useState } from 'preact/hooks';

import { glassFocus, selectedTokens } from '../glass/focus';
import { Figures } from '../glass/Figures';
import { number, t } from '../i18n';
import { change, current, info, say } from '../state/app';
import { askQuestion, continueAnswer, regenerate, removeMessage, runs } from '../state/answer';
import { settings } from '../state/settings';
import { type Message, show, siblings } from '../state/tree';
import { openCompare, openPassage } from './dialogs';
import { IconButton } from './icons';
import { GlassBox, Live, TokenText } from './glass';
import { Markdown } from './Markdown';
import { speak, speaking } from './speak';
import { Thinking } from './Thinking';

function Branches({ message }: { message: Message }) {
  const conversation = current.value;
  const all = siblings(conversation, message);
  if (all.length < 2) return null;
  const at = all.findIndex((m) => m.id === message.id);
  const step = (by: number) => {
    const other = all[at + by];
    if (other) change(conversation.id, (c) => show(c, other.id));
  };
  return (
    <span class="branches" role="group" aria-label={t('branches')} data-testid="branches">
      <IconButton icon="back" size={14} label={t('previousBranch')} disabled={at === 0} onClick={() => step(-1)} />
      <span>{at + 1} / {all.length}</span>
      <IconButton icon="next" size={14} label={t('nextBranch')} disabled={at === all.length - 1} onClick={() => step(1)} />
      {message.role === 'assistant' && <IconButton icon="compare" size={15} label={t('compare')} onClick={() => openCompare(all)} />}
    </span>
  );
}

async function copy(text: string): Promise<void> {
  await navigator.clipboard.writeText(text);
  say(t('copied'));
}

export function Question({ message }: { message: Message }) {
  const [editing, setEditing] = useState<string | null>(null);
  const send = () => {
    if (editing === null || !editing.trim()) return;
    void askQuestion({ text: editing, attachments: message.attachments ?? [], think: settings.value.think, search: settings.value.search && (info.value?.features.folders ?? false) }, message.parent);
    setEditing(null);
  };
  return (
    <article class="message question" aria-label={t('you')} data-testid="question">
      {message.attachments?.map((file) => (
        <details class="file" key={file.name}>
          <summary>{file.name} <span class="quiet">{t('characters', { n: number(file.text.length) })}</span></summary>
          <pre tabIndex={0}>{file.text.slice(0, 20_000)}</pre>
        </details>
      ))}
      {message.passages && message.passages.length > 0 && <p class="quiet">{t('passagesUsed', { n: message.passages.length })}</p>}
      {editing === null ? (
        <div class="bubble-row">
          <div class="bubble" dir="auto">{message.content}</div>
          <div class="tools">
            <Branches message={message} />
            <IconButton icon="copy" size={16} label={t('copy')} onClick={() => void copy(message.content)} />
            <IconButton icon="edit" size={16} label={t('edit')} onClick={() => setEditing(message.content)} testId="edit-question" />
            <IconButton icon="trash" size={16} label={t('deleteMessage')} onClick={() => removeMessage(message.id)} />
          </div>
        </div>
      ) : (
        <div class="edit">
          <textarea
            value={editing}
            aria-label={t('editQuestion')}
            rows={Math.min(14, editing.split('\n').length + 1)}
            autoFocus
            onInput={(e) => setEditing(e.currentTarget.value)}
            onKeyDown={(e) => {
              if (e.key === 'Escape') setEditing(null);
              if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) send();
            }}
          />
          <div class="row">
            <button type="button" class="primary" onClick={send}>{t('send')}</button>
            <button type="button" onClick={() => setEditing(null)}>{t('cancel')}</button>
          </div>
        </div>
      )}
    </article>
  );
}

export function Answer({ message, question }: { message: Message; question: Message | undefined }) {
  const run = runs.value[message.id];
  const glass = settings.value.glass;
  const [tokens, setTokens] = useState(false);
  const passages = question?.passages;
  const thinks = message.thinking !== undefined || (run?.phase === 'thinking');
  const traced = (message.trace?.answer.length ?? 0) + (message.trace?.thinking.length ?? 0) > 0;
  const article = useRef<HTMLElement>(null);
  useEffect(() => {
    // With the glass box, a phrase that is selected shows its experts.
    if (!glass || !traced) return undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const follow = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        const found = article.current && message.trace ? selectedTokens(article.current, message.id, message.trace) : null;
        if (found) { if (!glassFocus.value?.dragged) glassFocus.value = found; }
        else if (glassFocus.value?.phrase && !glassFocus.value.dragged && glassFocus.value.message === message.id) glassFocus.value = null;
      }, 100);
    };
    document.addEventListener('selectionchange', follow);
    return () => {
      clearTimeout(timer);
      document.removeEventListener('selectionchange', follow);
    };
  }, [glass, traced, message.id, message.trace]);
  return (
    <article ref={article} class="message answer" aria-label={message.model || t('answer')} aria-busy={run !== undefined} data-testid="answer" data-state={message.state}>
      {thinks && <Thinking message={message} run={run} glass={tokens} />}
      {run?.phase === 'waiting' && <p class="waiting" role="status">{run.reconnecting ? t('reconnecting') : t('waiting')}<span class="dots" aria-hidden="true" /></p>}
      {run?.reconnecting && run.phase !== 'waiting' && <p class="quiet" role="status">{t('reconnecting')}</p>}
      {tokens && traced && message.content ? (
        <TokenText message={message} part="answer" />
      ) : (
        <Markdown text={message.content} streaming={run !== undefined} onCitation={(n) => {
          const passage = passages?.find((p) => p.number === n);
          if (passage) openPassage(passage);
        }} />
      )}
      {message.state === 'done' && !message.content.trim() && <p class="quiet">{t('noAnswer')}</p>}
      {message.state === 'failed' && <p class="problem" role="alert">{t('answerFailed')}: {message.error === 'lost' ? t('lost') : message.error}</p>}
      {message.state === 'length' && <p class="quiet">{t('answerCut')}</p>}
      {message.state === 'stopped' && <p class="quiet">{t('answerStopped')}</p>}
      {passages && passages.length > 0 && message.state !== 'streaming' && (
        <ol class="sources" aria-label={t('sources')}>
          {passages.map((p) => <li key={p.number}><button type="button" class="link" onClick={() => openPassage(p)}>[{p.number}] {p.file}</button></li>)}
        </ol>
      )}
      {glass && run && run.phase !== 'waiting' && <Live run={run} />}
      {glass && traced && <GlassBox message={message} />}
      {!run && (
        <div class="tools">
          <Branches message={message} />
          <IconButton icon="copy" size={16} label={t('copy')} onClick={() => void copy(message.content)} />
          <IconButton icon="again" size={16} label={t('again')} onClick={() => regenerate(message.id)} testId="regenerate" />
          <IconButton icon="skip" size={16} label={t('continueAnswer')} onClick={() => continueAnswer(message.id)} testId="continue" />
          {traced && <IconButton icon="eye" size={16} label={t('showTokens')} pressed={tokens} onClick={() => setTokens(!tokens)} testId="show-tokens" />}
          {'speechSynthesis' in globalThis && <IconButton icon={speaking.value === message.id ? 'stop' : 'speak'} size={16} label={speaking.value === message.id ? t('stopReading') : t('readAloud')} pressed={speaking.value === message.id} onClick={() => speak(message.id, message.content)} testId="read-aloud" />}
          <IconButton icon="trash" size={16} label={t('deleteMessage')} onClick={() => removeMessage(message.id)} />
          <Figures message={message} />
        </div>
      )}
    </article>
  );
}
