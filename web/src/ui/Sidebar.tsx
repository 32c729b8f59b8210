// The list of conversations: by day or folder, searchable, each with its menu. Only what is near the window's part of
// the list is laid out (content-visibility), so that a thousand conversations scroll like ten.
import { useMemo, useState } from 'preact/hooks';

import { t, when } from '../i18n';
import { change, conversations, current, go, info, place, put, removeConversation, say, startNew } from '../state/app';
import { runs } from '../state/answer';
import { find } from '../state/find';
import { merge } from '../state/merge';
import { set } from '../state/settings';
import { toMarkdown } from '../state/transfer';
import type { Conversation } from '../state/tree';
import { confirm, prompt } from './dialogs';
import { Icon, IconButton } from './icons';
import { save } from './save';

function groups(list: Conversation[]): [string, Conversation[]][] {
  const out = new Map<string, Conversation[]>();
  const add = (name: string, c: Conversation) => {
    const group = out.get(name);
    if (group) group.push(c);
    else out.set(name, [c]);
  };
  for (const c of list) if (c.folder) add(`▸ ${c.folder}`, c);
  for (const c of list) if (!c.folder) add(when(c.updated), c);
  return [...out];
}

function Menu({ conversation, close }: { conversation: Conversation; close: () => void }) {
  const act = (what: () => void) => () => { close(); what(); };
  const folders = [...new Set(Object.values(conversations.value).map((c) => c.folder).filter(Boolean))];
  return (
    <div class="menu" role="menu" onKeyDown={(e) => { if (e.key === 'Escape') close(); }}>
      <button type="button" role="menuitem" autoFocus onClick={act(() => prompt(t('rename'), conversation.title, (title) => change(conversation.id, (c) => ({ ...c, title, titled: true }))))}>{t('rename')}</button>
      <button type="button" role="menuitem" onClick={act(() => prompt(t('folderName'), conversation.folder || folders[0] || '', (folder) => change(conversation.id, (c) => ({ ...c, folder }))))}>{t('moveToFolder')}</button>
      {conversation.folder && <button type="button" role="menuitem" onClick={act(() => change(conversation.id, (c) => ({ ...c, folder: '' })))}>{t('outOfFolder')}</button>}
      <button type="button" role="menuitem" onClick={act(() => prompt(t('systemPrompt'), conversation.system, (system) => change(conversation.id, (c) => ({ ...c, system }))))}>{t('systemPrompt')}</button>
      <button type="button" role="menuitem" onClick={act(() => save(`${conversation.title || 'limpid'}.md`, toMarkdown(conversation, { you: t('you'), thinking: t('thinking') }), 'text/markdown'))}>{t('exportMarkdown')}</button>
      <button type="button" role="menuitem" class="danger" onClick={act(() => confirm(t('deleteConversation', { title: conversation.title }), t('delete'), () => {
        void removeConversation(conversation.id).then((gone) => { if (gone) say(t('deleted')); });
      }))}>{t('delete')}</button>
    </div>
  );
}

function Row({ conversation, shownId, busy }: { conversation: Conversation; shownId: string; busy: boolean }) {
  const [menu, setMenu] = useState(false);
  return (
    <li class={`conversation ${conversation.id === shownId ? 'current' : ''}`} onBlur={(e) => { if (!e.currentTarget.contains(e.relatedTarget as Node)) setMenu(false); }}>
      <a href={`#/c/${conversation.id}`} aria-current={conversation.id === shownId ? 'page' : undefined} onClick={() => { if (innerWidth < 800) set('sidebar', false); }}>
        {busy && <span class="busy" role="img" aria-label={t('answering')} />}
        <span dir="auto">{conversation.title || t('untitled')}</span>
      </a>
      <IconButton icon="more" size={16} label={t('moreFor', { title: conversation.title || t('untitled') })} onClick={() => setMenu(!menu)} />
      {menu && <Menu conversation={conversation} close={() => setMenu(false)} />}
    </li>
  );
}

export function Sidebar() {
  const [query, setQuery] = useState('');
  const all = conversations.value;
  const list = useMemo(() => find(Object.values(all), query).sort((a, b) => b.updated - a.updated), [all, query]);
  const busy = new Set(Object.values(runs.value).map((r) => r.conversation));
  const page = place.value.page;
  const team = info.value?.team ?? false;
  // On a phone the list lies over the page: it goes when something is chosen.
  const away = () => { if (innerWidth < 800) set('sidebar', false); };
  const link = (target: 'models' | 'folders' | 'training' | 'usage' | 'admin' | 'settings', label: string, icon: Parameters<typeof Icon>[0]['name']) => (
    <a href={`#/${target}`} onClick={away} class={page === target ? 'current' : ''} aria-current={page === target ? 'page' : undefined}><Icon name={icon} size={16} /> {label}</a>
  );
  return (
    <nav class="sidebar" aria-label={t('conversations')} data-testid="sidebar">
      <div class="sidebar-head">
        <button type="button" class="new" onClick={() => { startNew(); away(); }} data-testid="new-chat"><Icon name="plus" size={16} /> {t('newChat')}</button>
        <IconButton icon="menu" label={t('hideSidebar')} onClick={() => set('sidebar', false)} />
      </div>
      <input type="search" value={query} placeholder={t('searchConversations')} aria-label={t('searchConversations')} onInput={(e) => setQuery(e.currentTarget.value)} data-testid="search-conversations" />
      <div class="list" tabIndex={-1}>
        {groups(list).map(([name, group]) => (
          <section key={name}>
            <h2>{name}</h2>
            <ul>{group.map((c) => <Row key={c.id} conversation={c} shownId={page === 'chat' ? current.value.id : ''} busy={busy.has(c.id)} />)}</ul>
          </section>
        ))}
        {!list.length && <p class="quiet empty">{query ? t('nothingFound') : t('noConversations')}</p>}
      </div>
      <div class="places">
        {link('models', t('models'), 'model')}
        {info.value?.features.folders && link('folders', t('documents'), 'folder')}
        {info.value?.features.runs && link('training', t('training'), 'chart')}
        {team && link('usage', t('keysAndUsage'), 'keys')}
        {info.value?.user?.role === 'admin' && link('admin', t('admin'), 'people')}
        {link('settings', t('settings'), 'gear')}
      </div>
    </nav>
  );
}

/** What is here already keeps its name and place, and gets the messages that it lacks. */
export function importInto(found: Conversation[]): number {
  for (const conversation of found) {
    const here = conversations.value[conversation.id];
    put(here ? merge(undefined, conversation, here) : conversation);
  }
  const newest = [...found].sort((a, b) => b.updated - a.updated)[0];
  if (newest) go(`#/c/${newest.id}`);
  return found.length;
}
