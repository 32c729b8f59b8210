// Coming in and going out: whose conversations are shown, and where they are kept.
import { api, signedOut } from '../api/client';
import { t } from '../i18n';
import { explain } from '../i18n/explain';
import { closeStore, connect, flush, go, info, needsSignIn, place, ready, reload, say, useStore } from './app';
import { runs, stopAll } from './answer';
import { takeUpStreams } from './elsewhere';
import { followSettings, lastOwner, settings, settingsOf } from './settings';

function kindOfStore(): 'browser' | 'server' {
  const chosen = settings.value.history;
  const server = chosen === 'server' || (chosen === 'auto' && (info.value?.team ?? false));
  return server && info.value?.features.history ? 'server' : 'browser';
}

const SESSION = 'limpid.session'; // changes when somebody signs in or out in a window of this browser

let opened = ''; // kind of store and owner, as opened

/** The conversations of who is here, from where they are kept. */
export async function openHistory(): Promise<void> {
  const owner = info.value ? (info.value.user?.name ?? '') : lastOwner();
  settingsOf(owner);
  opened = `${kindOfStore()}/${owner}`;
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

/** The browser has one session for all of its windows: the others are told that it is another one now. */
export function newSession(): void {
  try {
    localStorage.setItem(SESSION, String(Date.now()));
  } catch {
    // they will hear it from the server
  }
}

export async function signOut(everywhere = false): Promise<void> {
  stopAll();
  await flush();
  await api.send('POST', 'api/logout', everywhere ? { everywhere } : {});
  await left();
}

function close(): void {
  stopAll();
  runs.value = {};
  closeStore();
  opened = '';
  go('#/');
}

/** The session is over, or the account is gone. */
export async function left(): Promise<void> {
  close();
  settingsOf('');
  newSession();
  await connect();
}

/** Another window signed in or out. */
async function sessionChanged(): Promise<void> {
  const before = info.value?.user?.name ?? '';
  await connect();
  const now = info.value?.user?.name ?? '';
  if (needsSignIn.value || before !== now) {
    if (opened.startsWith('browser/')) await flush();
    close();
  }
  if (needsSignIn.value) settingsOf('');
  else if (before !== now) await enter();
}

/** What other windows of this browser choose: settings, where conversations are kept, who is here. */
export function followOthers(): void {
  followSettings(() => {
    if (opened && opened !== `${kindOfStore()}/${info.value?.user?.name ?? lastOwner()}`) void openHistory();
  });
  addEventListener('storage', (event) => { if (event.key === SESSION) void sessionChanged(); });
  // A window that was frozen has heard nothing.
  document.addEventListener('resume', () => void reload());
}

/** What other devices wrote in the meantime, where the server keeps the conversations. */
let refreshed = 0;
export function refresh(): void {
  const now = performance.now();
  if (!info.value || needsSignIn.value || kindOfStore() !== 'server' || now - refreshed < 10_000) return;
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
