// The frame: the list at the side, the page beside it, what lies above both.
import { t } from '../i18n';
import { connect, info, startNew, model, models, needsSignIn, notice, online, place, ready } from '../state/app';
import { set, settings } from '../state/settings';
import { changeCurrent, current } from '../state/app';
import { lazy } from './lazy';
import { Composer } from './Composer';
import { Dialogs } from './dialogs';
import { Icon, IconButton } from './icons';
import { Palette, paletteOpen } from './Palette';
import { Sidebar } from './Sidebar';
import { Thread } from './Thread';

const Models = lazy(() => import('../pages/Models').then((m) => m.Models));
const Settings = lazy(() => import('../pages/Settings').then((m) => m.Settings));
const Folders = lazy(() => import('../pages/Folders').then((m) => m.Folders));
const Training = lazy(() => import('../pages/Training').then((m) => m.Training));
const Usage = lazy(() => import('../pages/Usage').then((m) => m.Usage));
const Admin = lazy(() => import('../pages/Admin').then((m) => m.Admin));
const SignIn = lazy(() => import('../pages/SignIn').then((m) => m.SignIn));

function Page() {
  const where = place.value;
  switch (where.page) {
    case 'models': return <Models />;
    case 'settings': return <Settings />;
    case 'folders': return <Folders />;
    case 'training': return <Training run={where.run} stage={where.stage} />;
    case 'usage': return <Usage />;
    case 'admin': return <Admin />;
    default: return (
      <main class="chat" aria-label={t('conversation')}>
        <Thread />
        <Composer />
        <p class="footnote quiet">{t('stayHere')}</p>
      </main>
    );
  }
}

function Top() {
  const conversation = current.value;
  const chat = place.value.page === 'chat';
  const presets = settings.value.presets;
  return (
    <header class="top">
      {!settings.value.sidebar && <IconButton icon="menu" label={t('showSidebar')} onClick={() => set('sidebar', true)} />}
      <label class="model-choice">
        <span class="visually-hidden">{t('model')}</span>
        <select value={model.value?.id ?? ''} onChange={(e) => set('model', e.currentTarget.value)} data-testid="model-choice">
          {models.value.map((m) => <option key={m.id} value={m.id}>{m.id}</option>)}
        </select>
      </label>
      {chat && presets.length > 0 && (
        <label class="model-choice">
          <span class="visually-hidden">{t('systemPrompt')}</span>
          <select value={presets.find((p) => p.text === conversation.system)?.id ?? ''} onChange={(e) => {
            const text = presets.find((p) => p.id === e.currentTarget.value)?.text ?? '';
            changeCurrent((c) => ({ ...c, system: text }));
          }}>
            <option value="">{t('noPreset')}</option>
            {presets.map((p) => <option key={p.id} value={p.id}>{p.name}</option>)}
          </select>
        </label>
      )}
      {chat && conversation.title ? <h1 class="title" dir="auto">{conversation.title}</h1> : <span class="title" />}
      <button type="button" class="small commands" onClick={() => { paletteOpen.value = true; }} aria-keyshortcuts="Control+K"><Icon name="command" size={15} /> <span>{t('palette')}</span> <kbd>Ctrl K</kbd></button>
      {!settings.value.sidebar && <IconButton icon="plus" label={t('newChat')} onClick={() => startNew()} />}
    </header>
  );
}

export function App() {
  if (needsSignIn.value) return <SignIn />;
  const note = notice.value;
  return (
    <div class={`app ${settings.value.sidebar ? 'with-sidebar' : ''}`} data-ready={ready.value}>
      {settings.value.sidebar && <Sidebar />}
      {settings.value.sidebar && <button type="button" class="veil" tabIndex={-1} aria-hidden="true" onClick={() => set('sidebar', false)} />}
      <div class="content">
        <Top />
        {!online.value && (
          <p class="offline" role="alert">{info.value ? t('connectionLost') : t('unreachable')} <button type="button" onClick={() => void connect()}>{t('tryAgain')}</button></p>
        )}
        <Page />
      </div>
      <Dialogs />
      {paletteOpen.value && <Palette />}
      <div class={`notice ${note ? 'shown' : ''} ${note?.kind ?? ''}`} role={note?.kind === 'error' ? 'alert' : 'status'}>{note?.text}</div>
    </div>
  );
}
