// Where a question is written: text, files, whether to think and to search; says how much of the context it takes
// before it is sent. Drafts are kept by conversation.
import { useEffect, useRef, useState } from 'preact/hooks';

import { api } from '../api/client';
import { LONG_PASTE, pastedFile, readFile } from '../files/read';
import { number, t } from '../i18n';
import { explain } from '../i18n/explain';
import { current, info, model, online, ready, say, shown } from '../state/app';
import { askQuestion, runOf, runs, stop, wireMessages } from '../state/answer';
import { drafts, set, settings } from '../state/settings';
import type { Attachment } from '../state/tree';
import { Icon, IconButton } from './icons';

/** Tokens of the conversation with what is being written, counted by the server a moment after the last change. */
function useContextSize(text: string, files: Attachment[]): number | null {
  const [size, setSize] = useState<number | null>(null);
  const messages = shown.value;
  const id = model.value?.id;
  const last = messages[messages.length - 1];
  const streaming = last ? runs.value[last.id] !== undefined : false;
  useEffect(() => {
    if (!id || streaming || (!text.trim() && !files.length)) {
      setSize(null);
      return undefined;
    }
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      const asked = wireMessages(current.value, [...messages, { id: '', parent: null, role: 'user', content: text, attachments: files, created: 0 }]);
      try {
        setSize(await api.countTokens(id, asked, abort.signal));
      } catch {
        setSize(null); // the count is a help, not a need
      }
    }, 500);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [text, files, messages.length, id, streaming]);
  return size;
}

export function Composer() {
  const conversation = current.value;
  const [text, setText] = useState('');
  const [files, setFiles] = useState<Attachment[]>([]);
  const [over, setOver] = useState(false);
  const area = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const wanted = useRef(false);
  const key = conversation.leaf === null ? 'new' : conversation.id;
  const run = runOf(conversation.id);
  const thinks = model.value?.thinks ?? false;
  const folders = info.value?.features.folders ?? false;

  useEffect(() => {
    setText(drafts.get(key));
    setFiles([]);
    // Where there is a keyboard of keys: one of glass would cover half of the page.
    if (matchMedia('(hover: hover)').matches) area.current?.focus({ preventScroll: true });
  }, [key]);
  useEffect(() => {
    const target = area.current;
    if (!target) return;
    target.style.height = 'auto';
    target.style.height = `${Math.min(target.scrollHeight, innerHeight * 0.4)}px`;
  }, [text]);

  const write = (value: string) => {
    setText(value);
    drafts.set(key, value);
  };
  const send = () => {
    if (run || (!text.trim() && !files.length)) return;
    // Before the conversations are here there is nothing to add to: it goes as soon as they are.
    wanted.current = !ready.value;
    if (!ready.value) return;
    void askQuestion({ text, attachments: files, think: settings.value.think, search: folders && settings.value.search });
    write('');
    setFiles([]);
  };
  const addFiles = async (list: Iterable<File>) => {
    for (const file of list) {
      try {
        const read = await readFile(file);
        setFiles((have) => [...have, read]);
      } catch (error) {
        say(explain(error), 'error');
      }
    }
  };
  useEffect(() => { if (ready.value && wanted.current) send(); }, [ready.value]);
  // A file may be dropped anywhere in the window: beside a small target the browser would open it and leave the app.
  useEffect(() => {
    const holdsFiles = (e: DragEvent) => e.dataTransfer?.types.includes('Files') ?? false;
    const onOver = (e: DragEvent) => {
      if (!holdsFiles(e)) return;
      e.preventDefault();
      setOver(true);
    };
    const onLeave = (e: DragEvent) => { if (!e.relatedTarget) setOver(false); };
    const onDrop = (e: DragEvent) => {
      setOver(false);
      if (!holdsFiles(e)) return;
      e.preventDefault();
      void addFiles([...(e.dataTransfer?.files ?? [])]);
    };
    addEventListener('dragover', onOver);
    addEventListener('dragleave', onLeave);
    addEventListener('drop', onDrop);
    return () => {
      removeEventListener('dragover', onOver);
      removeEventListener('dragleave', onLeave);
      removeEventListener('drop', onDrop);
    };
  }, []);
  const size = useContextSize(text, files);
  const context = model.value?.context_length ?? 0;
  const full = size !== null && context > 0 && size >= context;

  return (
    <form
      class="composer"
      aria-label={t('writeQuestion')}
      onSubmit={(e) => { e.preventDefault(); send(); }}
    >
      {over && <div class="drop" aria-hidden="true"><Icon name="file" size={34} /><p>{t('dropHere')}</p></div>}
      {files.length > 0 && (
        <ul class="files" aria-label={t('files')}>
          {files.map((file, index) => (
            <li key={index}>
              <Icon name="file" size={14} /> {file.name} <span class="quiet">{file.pages ? t('pages', { n: file.pages }) : t('characters', { n: number(file.text.length) })}</span>
              <IconButton icon="close" size={13} label={t('removeFile', { name: file.name })} onClick={() => setFiles(files.filter((_f, i) => i !== index))} />
            </li>
          ))}
        </ul>
      )}
      <textarea
        ref={area}
        value={text}
        rows={1}
        dir="auto"
        placeholder={online.value ? t('ask') : t('unreachable')}
        aria-label={t('writeQuestion')}
        data-testid="composer"
        onInput={(e) => write(e.currentTarget.value)}
        onPaste={(e) => {
          const pasted = e.clipboardData?.getData('text/plain') ?? '';
          if (e.clipboardData?.files.length) {
            e.preventDefault();
            void addFiles(e.clipboardData.files);
          } else if (pasted.length > LONG_PASTE) {
            e.preventDefault();
            setFiles((have) => [...have, pastedFile(pasted, have.length + 1)]);
          }
        }}
        onKeyDown={(e) => {
          // While an input method composes, Enter chooses a word.
          if (e.key !== 'Enter' || e.isComposing || e.shiftKey) return;
          const mod = e.ctrlKey || e.metaKey;
          if (settings.value.sendKey === 'enter' ? !e.altKey : mod) {
            e.preventDefault();
            send();
          }
        }}
      />
      {full && <p class="problem too-long" role="status">{t('contextExceeded')}</p>}
      <div class="composer-foot">
        <IconButton icon="clip" label={t('addFiles')} onClick={() => picker.current?.click()} />
        <input ref={picker} type="file" multiple hidden aria-hidden="true" onChange={(e) => { void addFiles([...(e.currentTarget.files ?? [])]); e.currentTarget.value = ''; }} />
        {thinks && (
          <button type="button" class="switch" aria-pressed={settings.value.think} onClick={() => set('think', !settings.value.think)} data-testid="deepthink">
            <Icon name="think" size={15} /> {t('deepThink')}
          </button>
        )}
        {folders && (
          <button type="button" class="switch" aria-pressed={settings.value.search} onClick={() => set('search', !settings.value.search)} data-testid="search-switch">
            <Icon name="search" size={15} /> {t('searchDocuments')}
          </button>
        )}
        <button type="button" class="switch brief" aria-pressed={settings.value.glass} onClick={() => set('glass', !settings.value.glass)} data-testid="glass-switch">
          <Icon name="eye" size={15} /> <span>{t('glassBox')}</span>
        </button>
        <span class={`context quiet ${full ? 'full' : ''}`} role="status" data-testid="context">
          {size !== null ? (context ? t('contextOf', { n: number(size), all: number(context) }) : t('contextTokens', { n: number(size) })) : ''}
        </span>
        {run ? (
          <button type="button" class="round primary" aria-label={t('stop')} title={t('stop')} onClick={() => stop(run.message)} data-testid="stop"><Icon name="stop" /></button>
        ) : (
          <button type="submit" class="round primary" aria-label={t('send')} title={t('send')} disabled={!text.trim() && !files.length} data-testid="send"><Icon name="send" /></button>
        )}
      </div>
    </form>
  );
}
