// Signing in and signing up, where the server has accounts; and the wait of those who are not let in yet: their place,
// looked up again and again, until they are in.
import { useEffect, useState } from 'preact/hooks';

import { api, useCsrf } from '../api/client';
import { language, t } from '../i18n';
import { explain } from '../i18n/explain';
import { info, place } from '../state/app';
import { enter, newSession, signOut } from '../state/session';
import { set } from '../state/settings';

function Frame({ label, children }: { label: string; children: preact.ComponentChildren }) {
  const other = language.value === 'zh' ? 'en' : 'zh';
  return (
    <main class="sign-in" aria-label={label} data-testid="sign-in">
      <div class="sign-in-card">
        <img src="icon.svg" alt="" width={44} height={44} />
        <h1>limpid</h1>
        {children}
      </div>
      <button type="button" class="link" lang={other === 'zh' ? 'zh-CN' : 'en'} onClick={() => set('language', other)}>{other === 'zh' ? '中文' : 'English'}</button>
    </main>
  );
}

function Wait({ name, place: number, waiting }: { name: string; place: number; waiting: number }) {
  useEffect(() => {
    const timer = setInterval(() => { if (!document.hidden) void enter(); }, 2000);
    return () => clearInterval(timer);
  }, []);
  return (
    <Frame label={t('waitingList')}>
      <p>{t('waitingHello', { name })}</p>
      <p class="place" role="status" data-testid="place"><strong>{number}</strong> <span class="quiet">{t('placeOf', { n: number, all: waiting })}</span></p>
      <p class="quiet">{t('waitingHint')}</p>
      <button type="button" onClick={() => void signOut()}>{t('signOut')}</button>
    </Frame>
  );
}

export function SignIn() {
  const invited = place.value.page === 'join' ? place.value.code : '';
  const [joining, setJoining] = useState(invited !== '' || place.value.page === 'join');
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [code, setCode] = useState(invited);
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const wait = info.value?.waiting;
  if (wait) return <Wait {...wait} />;
  const submit = async () => {
    setBusy(true);
    setProblem('');
    try {
      if (joining) await api.signUp(name, password, code.trim());
      const { csrf_token } = await api.signIn(name, password);
      useCsrf(csrf_token);
      newSession();
      await enter();
    } catch (error) {
      setProblem(explain(error));
    }
    setBusy(false);
  };
  return (
    <Frame label={t(joining ? 'signUp' : 'signIn')}>
      <form onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        <label class="field"><span class="label">{t('name')}</span><input type="text" autoComplete="username" autoCapitalize="off" spellcheck={false} autoFocus required maxLength={64} value={name} onInput={(e) => setName(e.currentTarget.value)} />{joining && <span class="quiet">{t('nameHint')}</span>}</label>
        <label class="field"><span class="label">{t('password')}</span><input type="password" autoComplete={joining ? 'new-password' : 'current-password'} required minLength={joining ? 8 : 1} value={password} onInput={(e) => setPassword(e.currentTarget.value)} />{joining && <span class="quiet">{t('passwordHint')}</span>}</label>
        {joining && <label class="field"><span class="label">{t('accessCode')}</span><input type="text" autoComplete="off" spellcheck={false} value={code} onInput={(e) => setCode(e.currentTarget.value)} /><span class="quiet">{t('accessCodeHint')}</span></label>}
        {problem && <p class="problem" role="alert">{problem}</p>}
        <button type="submit" class="primary" disabled={busy} data-testid="enter">{t(joining ? 'signUp' : 'signIn')}</button>
        <button type="button" class="link" onClick={() => { setJoining(!joining); setProblem(''); }} data-testid="other-way">
          {joining ? `${t('haveAccount')} ${t('signIn')}` : `${t('noAccount')} ${t('signUp')}`}
        </button>
      </form>
    </Frame>
  );
}
