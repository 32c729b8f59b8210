// Coming in and going out: whose conversations are shown, and where they are kept.
import { api, signedOut } from '../api/client';
import { t } from '../i18n';
import { explain } from '../i18n/explain';
import { closeStore, connect, flush, go, info, needsSignIn, place, ready, say, useStore } from './app';
import { runs, stopAll, takeUpStreams } from './answer';
import { drafts, settings } from './settings';

function kindOfStore(): 'browser' | 'server' {
  const chosen = settings.value.history;
  const server = chosen === 'server' || (chosen === 'auto' && (info.value?.team ?? false));
  return server && info.value?.features.history ? 'server' : 'browser';
}

const OWNER = 'limpid.owner'; // who was here last: his are shown while the server is away

/** The conversations of who is here, from where they are kept. */
export async function openHistory(): Promise<void> {
  const owner = info.value ? (info.value.user?.name ?? '') : (localStorage.getItem(OWNER) ?? '');
  localStorage.setItem(OWNER, owner);
  drafts.owner = owner ? `${owner}/` : '';
  try {
    await useStore(kindOfStore(), owner, (error) => say(`${t('notSaved')}: ${explain(error)}`, 'error'));
  } catch (error) {
    say(`${t('historyUnreadable')}: ${explain(error)}`, 'error');
  }
}

/** At the start, and after signing in. */
export async function enter(): Promise<void> {
  const connected = await connect();
  if (needsSignIn.value) return;
  await openHistory();
  if (place.value.page === 'join') go('#/');
  ready.value = true;
  if (connected) takeUpStreams();
}

export async function signOut(everywhere = false): Promise<void> {
  stopAll();
  await flush();
  await api.send('POST', 'api/logout', everywhere ? { everywhere } : {});
  await left();
}

/** The session is over, or the account is gone. */
export async function left(): Promise<void> {
  stopAll();
  closeStore();
  go('#/');
  await connect();
}

/** What other devices wrote in the meantime, where the server keeps the conversations. */
let refreshed = 0;
export function refresh(): void {
  const now = performance.now();
  if (!info.value || needsSignIn.value || kindOfStore() !== 'server' || Object.keys(runs.value).length || now - refreshed < 10_000) return;
  refreshed = now;
  void openHistory();
}

let asking = false;
signedOut.tell = () => {
  // A session that has ended shows in whatever is asked next.
  if (asking || !info.value?.user) return;
  asking = true;
  void connect().finally(() => { asking = false; });
};
