// The state that views read: what the server offers, the conversations, which one is shown. Signals only change here.
import { computed, signal } from '@preact/signals';

import { api, ServerError, useCsrf } from '../api/client';
import type { AppInfo, ModelInfo } from '../api/types';
import { t } from '../i18n';
import { join } from './merge';
import { settings } from './settings';
import { BrowserStore, LazySaver, ServerStore, type ConversationStore } from './storage';
import { joinTabs, leaveTabs, onWord, tell } from './tabs';
import { type Conversation, newConversation, path } from './tree';

export const info = signal<AppInfo | null>(null);
export const models = signal<ModelInfo[]>([]);
export const online = signal(true);
export const conversations = signal<Record<string, Conversation>>({});
export const ready = signal(false);
export const needsSignIn = signal(false);
/** A line for the reader, gone by itself. */
export const notice = signal<{ text: string; kind: 'info' | 'error'; id: number } | null>(null);

export type Place =
  | { page: 'chat'; id: string | null }
  | { page: 'models' | 'settings' | 'usage' | 'admin' | 'folders' | 'help' }
  | { page: 'join'; code: string }
  | { page: 'training'; run: string; stage: string };

function placeOf(hash: string): Place {
  const parts = hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);
  const [first = '', second = '', third = ''] = parts;
  if (first === 'c' && second) return { page: 'chat', id: second };
  if (first === 'join') return { page: 'join', code: second };
  if (first === 'training') return { page: 'training', run: second, stage: third };
  if (first === 'models' || first === 'settings' || first === 'usage' || first === 'admin' || first === 'folders' || first === 'help') return { page: first };
  return { page: 'chat', id: null };
}

export const place = signal<Place>(typeof location === 'undefined' ? { page: 'chat', id: null } : placeOf(location.hash));

export function go(hash: string): void {
  if (location.hash === hash) place.value = placeOf(hash);
  else location.hash = hash;
}

export function listenToAddress(): void {
  addEventListener('hashchange', () => {
    place.value = placeOf(location.hash);
  });
}

/** The conversation that is shown: a stored one, or a new one that is stored with its first message. */
const fresh = signal<Conversation>(newConversation());
export const current = computed<Conversation>(() => {
  const where = place.value;
  if (where.page === 'chat' && where.id) return conversations.value[where.id] ?? fresh.value;
  return fresh.value;
});
export const shown = computed(() => path(current.value));

export const model = computed<ModelInfo | null>(() => {
  const list = models.value;
  const wanted = settings.value.model || info.value?.default_model || '';
  return list.find((m) => m.id === wanted) ?? list.find((m) => m.loaded) ?? list[0] ?? null;
});

let saver: LazySaver | null = null;
let store: ConversationStore | null = null;
let storeName = '';
/** What this window knows to be kept, by id: what differs from it was changed here. */
const seen = new Map<string, Conversation>();
/** Who wants to know of a conversation that came from where they are kept, and of one that is gone. */
export const hooks = { learned: (_kept: Conversation): void => undefined, gone: (_id: string): void => undefined };

export function say(text: string, kind: 'info' | 'error' = 'info'): void {
  const id = Date.now();
  notice.value = { text, kind, id };
  setTimeout(() => {
    if (notice.value?.id === id) notice.value = null;
  }, 6000);
}

export function put(conversation: Conversation, save = true): void {
  // It is stored under its id from now on: the next new one is another.
  if (conversation.id === fresh.value.id) fresh.value = newConversation();
  conversations.value = { ...conversations.value, [conversation.id]: conversation };
  if (save) saver?.save(conversation.id);
}

export function change(id: string, by: (conversation: Conversation) => Conversation, save = true): void {
  const conversation = conversations.value[id];
  if (conversation) put(by(conversation), save);
}

/** What is shown, stored or not yet. */
export function changeCurrent(by: (conversation: Conversation) => Conversation): void {
  const conversation = current.value;
  if (conversation === fresh.value) fresh.value = by(conversation);
  else put(by(conversation));
}

export function startNew(folder = ''): void {
  fresh.value = { ...newConversation(), folder };
  go('#/');
}

function drop(id: string): void {
  const rest = { ...conversations.value };
  delete rest[id];
  hooks.gone(id);
  conversations.value = rest;
  seen.delete(id);
  saver?.forget(id);
  if (place.value.page === 'chat' && place.value.id === id) startNew();
}

/** Somebody else deleted it. */
function dropped(id: string): void {
  const here = conversations.value[id];
  if (!here) return;
  if (current.value === here) say(t('deletedElsewhere', { title: here.title }));
  drop(id);
}

const removing = new Set<string>();

export async function removeConversation(id: string): Promise<Conversation | undefined> {
  const gone = conversations.value[id];
  removing.add(id);
  drop(id);
  try {
    await store?.remove(id);
    tell({ kind: 'removed', id });
  } finally {
    removing.delete(id);
  }
  return gone;
}

export function flush(): Promise<void> {
  return saver?.flush() ?? Promise.resolve();
}

/** `kept` is what is kept now; this window may have changes of its own since it knew `base`. */
function learn(kept: Conversation[], base = (id: string) => seen.get(id)): void {
  const next = { ...conversations.value };
  let changed = false;
  for (const theirs of kept) {
    const { id } = theirs;
    if (removing.has(id)) continue;
    const mine = next[id];
    const before = base(id);
    const joined = mine ? join(before, mine, theirs) : theirs;
    // Who only reads another branch than the one that is kept has not chosen it, and does not write it.
    seen.set(id, mine && mine.leaf === before?.leaf ? { ...theirs, leaf: joined.leaf } : theirs);
    if (joined === mine) continue;
    next[id] = joined;
    changed = true;
  }
  if (changed) conversations.value = next;
}

async function write(to: ConversationStore, id: string): Promise<void> {
  const mine = conversations.value[id];
  if (!mine) return;
  const kept = await to.save(mine, seen.get(id));
  if (store !== to) return;
  if (!kept) return dropped(id);
  if (conversations.value[id]) learn([kept], () => mine);
  tell({ kind: 'changed', id });
}

/** Looks at one conversation where it is kept. */
export async function reread(id: string): Promise<Conversation | undefined> {
  const from = store;
  const kept = await from?.get(id);
  if (store !== from || removing.has(id)) return undefined;
  if (!kept) {
    if (seen.has(id)) dropped(id);
    return undefined;
  }
  learn([kept]);
  hooks.learned(kept);
  return kept;
}

/** Looks at all of them. */
export async function reload(): Promise<void> {
  const from = store;
  if (!from) return;
  const before = [...seen.keys()];
  const all = await from.all();
  if (store !== from) return;
  const there = new Set(all.map((c) => c.id));
  for (const id of before) if (!there.has(id)) dropped(id);
  learn(all);
  for (const kept of all) hooks.learned(kept);
}

const soon = new Map<string, ReturnType<typeof setTimeout>>();
onWord((word) => {
  if (word.kind === 'removed') dropped(word.id);
  if (word.kind !== 'changed' || soon.has(word.id)) return;
  // What comes word by word is told by itself (elsewhere.ts): the rest of such a conversation can wait.
  const live = Object.values(conversations.value[word.id]?.messages ?? {}).some((m) => m.state === 'streaming');
  const look = () => {
    soon.delete(word.id);
    reread(word.id).catch(() => undefined); // the next word, or the next look at all, will do
  };
  soon.set(word.id, setTimeout(look, live ? 1500 : 0));
});

/** `owner`: the account's name, so that people who share a browser do not see each other's; empty without accounts. */
export async function useStore(kind: 'browser' | 'server', owner: string, onError: (error: unknown) => void): Promise<void> {
  const name = `${kind}/${owner}`;
  if (store && name === storeName) return reload();
  if (store && storeName.slice(storeName.indexOf('/') + 1) === owner) await flush();
  saver?.end();
  seen.clear();
  conversations.value = {};
  storeName = name;
  const opened = kind === 'server' ? new ServerStore() : new BrowserStore(owner ? `limpid-${owner}` : 'limpid');
  store = opened;
  saver = new LazySaver((id) => write(opened, id));
  saver.onError = onError;
  joinTabs(`limpid/${name}`);
  await reload();
}

/** Nothing of the one who was here stays in memory. */
export function closeStore(): void {
  leaveTabs();
  saver?.end();
  saver = null;
  store = null;
  seen.clear();
  ready.value = false;
  conversations.value = {};
  fresh.value = newConversation();
}

/** Asks the server what there is. False: it is not there. */
export async function connect(): Promise<boolean> {
  try {
    const found = await api.info();
    info.value = found;
    useCsrf((found.user ?? found.waiting)?.csrf ?? '');
    needsSignIn.value = found.team && !found.user;
    if (!needsSignIn.value) models.value = await api.models();
    online.value = true;
    return true;
  } catch (error) {
    if (error instanceof ServerError && error.status === 401) {
      needsSignIn.value = true;
      online.value = true;
      return true;
    }
    online.value = false;
    return false;
  }
}
