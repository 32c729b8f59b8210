import { render } from 'preact';

import './style/base.css';
import './style/layout.css';
import './style/message.css';
import './style/glass.css';
import './style/pages.css';
import { language, t } from './i18n';
import { effect } from '@preact/signals';
import { connect, flush, info, listenToAddress, ready, say, useStore } from './state/app';
import { takeUpStreams } from './state/answer';
import { set, settings } from './state/settings';
import { App } from './ui/App';
import { onKey } from './ui/shortcuts';

async function start(): Promise<void> {
  listenToAddress();
  addEventListener('keydown', onKey);
  // What waits to be written is written before the page goes.
  addEventListener('pagehide', () => void flush());
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) void flush();
  });
  effect(() => {
    document.documentElement.lang = language.value === 'zh' ? 'zh-CN' : 'en';
  });
  if (innerWidth < 800) set('sidebar', false);
  render(<App />, document.getElementById('app') as HTMLElement);
  const connected = await connect();
  const kind = settings.value.history === 'server' && info.value?.features.history ? 'server' : 'browser';
  try {
    await useStore(kind, (error) => say(`${t('notSaved')}: ${(error as Error).message}`, 'error'));
  } catch (error) {
    say(`${t('historyUnreadable')}: ${(error as Error).message}`, 'error');
  }
  ready.value = true;
  if (connected) takeUpStreams();
  if ('serviceWorker' in navigator && isSecureContext) void navigator.serviceWorker.register('sw.js').catch(() => undefined);
  setInterval(() => {
    if (!document.hidden && !info.value) void connect();
  }, 4000);
}

void start();
