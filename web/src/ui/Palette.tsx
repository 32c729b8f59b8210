// Every command by its name: Ctrl or Cmd K. Typed words narrow commands and conversations; arrows and Enter choose.
import { signal } from '@preact/signals';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';

import { t } from '../i18n';
import { explain } from '../i18n/explain';
import { conversations, go, info, models, say, shown, startNew } from '../state/app';
import { signOut } from '../state/session';
import { continueAnswer, regenerate, runOf, stop, stopThinking } from '../state/answer';
import { current } from '../state/app';
import { find } from '../state/find';
import { set, settings } from '../state/settings';

export const paletteOpen = signal(false);

interface Command {
  name: string;
  keys?: string;
  run: () => void;
}

export function commands(): Command[] {
  const run = runOf(current.value.id);
  const last = shown.value[shown.value.length - 1];
  const chosen = settings.value;
  const list: Command[] = [
    { name: t('newChat'), keys: 'Ctrl Shift O', run: () => startNew() },
    { name: chosen.sidebar ? t('hideSidebar') : t('showSidebar'), keys: 'Ctrl B', run: () => set('sidebar', !chosen.sidebar) },
    { name: `${t('deepThink')}: ${chosen.think ? t('turnOff') : t('turnOn')}`, keys: 'Ctrl .', run: () => set('think', !chosen.think) },
    { name: `${t('glassBox')}: ${chosen.glass ? t('turnOff') : t('turnOn')}`, run: () => set('glass', !chosen.glass) },
    { name: t('models'), run: () => go('#/models') },
    { name: t('settings'), keys: 'Ctrl ,', run: () => go('#/settings') },
    { name: t('themeDark'), run: () => set('theme', 'dark') },
    { name: t('themeLight'), run: () => set('theme', 'light') },
    { name: t('themeAuto'), run: () => set('theme', 'auto') },
    { name: 'English', run: () => set('language', 'en') },
    { name: '中文', run: () => set('language', 'zh') },
  ];
  if (run) list.unshift({ name: t('stop'), keys: 'Esc', run: () => stop(run.message) });
  if (run?.phase === 'thinking') list.unshift({ name: t('answerNow'), keys: 'Ctrl Shift Enter', run: () => stopThinking(run.message) });
  if (!run && last?.role === 'assistant') {
    list.unshift({ name: t('continueAnswer'), keys: 'Ctrl Shift E', run: () => continueAnswer(last.id) });
    list.unshift({ name: t('again'), keys: 'Ctrl Shift G', run: () => regenerate(last.id) });
  }
  if (info.value?.features.folders) list.push({ name: t('documents'), run: () => go('#/folders') });
  if (info.value?.features.runs) list.push({ name: t('training'), run: () => go('#/training') });
  if (info.value?.team) list.push({ name: t('keysAndUsage'), run: () => go('#/usage') }, { name: t('signOut'), run: () => void signOut().catch((error) => say(explain(error), 'error')) });
  if (info.value?.user?.role === 'admin') list.push({ name: t('admin'), run: () => go('#/admin') });
  for (const m of models.value) list.push({ name: `${t('model')}: ${m.id}`, run: () => set('model', m.id) });
  return list;
}

export function Palette() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [query, setQuery] = useState('');
  const [at, setAt] = useState(0);
  useEffect(() => { dialog.current?.showModal(); }, []);
  const close = () => { paletteOpen.value = false; };
  const found = useMemo(() => {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    const matching = commands().filter((c) => words.every((w) => c.name.toLowerCase().includes(w)));
    const chats: Command[] = words.length
      ? find(Object.values(conversations.value), query).sort((a, b) => b.updated - a.updated).slice(0, 12).map((c) => ({ name: c.title || t('untitled'), run: () => go(`#/c/${c.id}`) }))
      : [];
    return [...matching, ...chats].slice(0, 40);
  }, [query, settings.value, conversations.value]);
  // What the arrows reach is in sight.
  useEffect(() => { dialog.current?.querySelector('li.current')?.scrollIntoView({ block: 'nearest' }); }, [at]);
  const choose = (command: Command | undefined) => {
    if (!command) return;
    close();
    command.run();
  };
  return (
    <dialog ref={dialog} class="palette" aria-label={t('palette')} onClose={close} onClick={(e) => { if (e.target === dialog.current) close(); }} data-testid="palette">
      <input
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found[at] ? `command-${at}` : undefined}
        aria-label={t('palette')}
        placeholder={t('paletteHint')}
        value={query}
        autoFocus
        onInput={(e) => { setQuery(e.currentTarget.value); setAt(0); }}
        onKeyDown={(e) => {
          if (e.key === 'ArrowDown') { e.preventDefault(); setAt(Math.min(at + 1, found.length - 1)); }
          else if (e.key === 'ArrowUp') { e.preventDefault(); setAt(Math.max(at - 1, 0)); }
          else if (e.key === 'Enter' && !e.isComposing) { e.preventDefault(); choose(found[at]); }
        }}
      />
      <ul id="palette-list" role="listbox" aria-label={t('palette')}>
        {found.map((command, index) => (
          <li key={index} id={`command-${index}`} role="option" aria-selected={index === at} class={index === at ? 'current' : ''} onMouseMove={() => setAt(index)} onClick={() => choose(command)}>
            <span>{command.name}</span>{command.keys && <kbd>{command.keys}</kbd>}
          </li>
        ))}
      </ul>
    </dialog>
  );
}
