// Windows above the page, one at a time, as <dialog>: the browser keeps the focus inside and Escape closes.
import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

import { t } from '../i18n';
import type { Message } from '../state/tree';
import { IconButton } from './icons';
import { Markdown } from './Markdown';

type Open =
  | { kind: 'compare'; messages: Message[] }
  | { kind: 'passage'; passage: { number: number; file: string; title: string; text: string } }
  | { kind: 'confirm'; text: string; action: string; yes: () => void }
  | { kind: 'prompt'; text: string; value: string; done: (value: string) => void };

export const opened = signal<Open | null>(null);
export const openCompare = (messages: Message[]) => { opened.value = { kind: 'compare', messages }; };
export const openPassage = (passage: { number: number; file: string; title: string; text: string }) => { opened.value = { kind: 'passage', passage }; };
export const confirm = (text: string, action: string, yes: () => void) => { opened.value = { kind: 'confirm', text, action, yes }; };
export const prompt = (text: string, value: string, done: (value: string) => void) => { opened.value = { kind: 'prompt', text, value, done }; };

export function Modal({ title, children, onClose, wide = false }: { title: string; children: ComponentChildren; onClose: () => void; wide?: boolean }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const target = dialog.current;
    if (target && !target.open) target.showModal();
  }, []);
  return (
    <dialog ref={dialog} class={wide ? 'wide' : ''} aria-label={title} onClose={onClose} onClick={(e) => { if (e.target === dialog.current) dialog.current?.close(); }}>
      <div class="dialog-inner">
        <header><h2>{title}</h2><IconButton icon="close" label={t('close')} onClick={() => dialog.current?.close()} /></header>
        {children}
      </div>
    </dialog>
  );
}

export function Dialogs() {
  const open = opened.value;
  const close = () => { opened.value = null; };
  if (!open) return null;
  if (open.kind === 'compare')
    return (
      <Modal title={t('compare')} onClose={close} wide>
        <div class="compare">
          {open.messages.map((message, index) => (
            <section key={message.id} aria-label={t('version', { n: index + 1 })}>
              <h3>{t('version', { n: index + 1 })} <span class="quiet">{message.model}</span></h3>
              {message.thinking && <details><summary>{t('thinking')}</summary><Markdown text={message.thinking} /></details>}
              <Markdown text={message.content} />
            </section>
          ))}
        </div>
      </Modal>
    );
  if (open.kind === 'passage')
    return (
      <Modal title={`[${open.passage.number}] ${open.passage.file}`} onClose={close}>
        {open.passage.title !== open.passage.file && <p class="quiet">{open.passage.title}</p>}
        <pre class="passage" tabIndex={0} data-testid="passage">{open.passage.text}</pre>
      </Modal>
    );
  if (open.kind === 'confirm')
    return (
      <Modal title={open.text} onClose={close}>
        <div class="row end">
          <button type="button" onClick={close}>{t('cancel')}</button>
          <button type="button" class="danger" autoFocus onClick={() => { close(); open.yes(); }} data-testid="confirm">{open.action}</button>
        </div>
      </Modal>
    );
  return <Prompt key={open.text} open={open} close={close} />;
}

function Prompt({ open, close }: { open: { text: string; value: string; done: (value: string) => void }; close: () => void }) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => { input.current?.select(); }, []);
  return (
    <Modal title={open.text} onClose={close}>
      <form onSubmit={(e) => { e.preventDefault(); const value = input.current?.value.trim() ?? ''; close(); if (value) open.done(value); }}>
        <input ref={input} type="text" defaultValue={open.value} aria-label={open.text} autoFocus data-testid="prompt-input" />
        <div class="row end">
          <button type="button" onClick={close}>{t('cancel')}</button>
          <button type="submit" class="primary">{t('save')}</button>
        </div>
      </form>
    </Modal>
  );
}
