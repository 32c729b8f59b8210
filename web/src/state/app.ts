// The state that views read: what the server offers, the conversations, which one is shown. Signals only change here.
import { computed, signal } from '@preact/signals';

import { api, ServerError, useCsrf } from '../api/client';
import type { AppInfo, ModelInfo } from '../api/types';
import { settings } from './settings';
import { BrowserStore, LazySaver, ServerStore, type ConversationStore } from './storage';
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
let storeOwner = '';

export function say(text: string, kind: 'info' | 'error' = 'info'): void {
  const id = Date.now();
  notice.value = { text, kind, id };
  setTimeout(() => {
    if (notice.value?.id === id) notice.value = null;
  }, 6000);
}

export function put(conversation: Conversation, save = true): void {
  conversations.value = { ...conversations.value, [conversation.id]: conversation };
  if (save) saver?.save(conversation);
}

export function change(id: string, by: (conversation: Conversation) => Conversation, save = true): void {
  const conversation = conversations.value[id];
  if (conversation) put(by(conversation), save);
}

export function startNew(folder = ''): void {
  fresh.value = { ...newConversation(), folder };
  go('#/');
}

export async function removeConversation(id: string): Promise<Conversation | undefined> {
  const gone = conversations.value[id];
  const rest = { ...conversations.value };
  delete rest[id];
  conversations.value = rest;
  saver?.forget(id);
  if (place.value.page === 'chat' && place.value.id === id) startNew();
  await store?.remove(id);
  return gone;
}

export function flush(): Promise<void> {
  return saver?.flush() ?? Promise.resolve();
}

/** `owner`: the account's name, so that people who share a browser do not see each other's; empty without accounts. */
export async function useStore(kind: 'browser' | 'server', owner: string, onError: (error: unknown) => void): Promise<void> {
  const same = owner === storeOwner && store instanceof ServerStore;
  if (owner === storeOwner) await flush();
  storeOwner = owner;
  saver?.end();
  store = kind === 'server' ? new ServerStore(same ? Object.values(conversations.value) : []) : new BrowserStore(owner ? `limpid-${owner}` : 'limpid');
  saver = new LazySaver(store);
  saver.onError = onError;
  const all = await store.all();
  conversations.value = Object.fromEntries(all.map((c) => [c.id, c]));
}

/** Nothing of the one who was here stays in memory. */
export function closeStore(): void {
  saver?.end();
  saver = null;
  store = null;
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
