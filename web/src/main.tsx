import { render } from 'preact';

import './style/base.css';
import './style/layout.css';
import './style/message.css';
import './style/glass.css';
import './style/pages.css';
import { language } from './i18n';
import { effect } from '@preact/signals';
import { current, flush, info, listenToAddress, place } from './state/app';
import { enter, followOthers, refresh } from './state/session';
import { set } from './state/settings';
import { App } from './ui/App';
import { onKey } from './ui/shortcuts';

async function start(): Promise<void> {
  listenToAddress();
  followOthers();
  addEventListener('keydown', onKey);
  // What waits to be written is written before the page goes.
  addEventListener('pagehide', () => void flush());
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) void flush();
    else refresh();
  });
  effect(() => {
    document.documentElement.lang = language.value === 'zh' ? 'zh-CN' : 'en';
  });
  effect(() => {
    const { title } = current.value;
    document.title = place.value.page === 'chat' && title ? `${title} · limpid` : 'limpid';
  });
  // A file that is dropped where nothing takes it: the browser would leave the app for it.
  for (const kind of ['dragover', 'drop'] as const) addEventListener(kind, (event) => { if (!event.defaultPrevented && event.dataTransfer?.types.includes('Files')) event.preventDefault(); });
  if (innerWidth < 800) set('sidebar', false);
  render(<App />, document.getElementById('app') as HTMLElement);
  await enter();
  if ('serviceWorker' in navigator && isSecureContext) void navigator.serviceWorker.register('sw.js').catch(() => undefined);
  setInterval(() => {
    if (!document.hidden && !info.value) void enter();
  }, 4000);
}

void start();
