// Signing in and signing up, where the server has accounts.
import { useState } from 'preact/hooks';

import { api, useCsrf } from '../api/client';
import { t } from '../i18n';
import { connect } from '../state/app';

export function SignIn() {
  const [joining, setJoining] = useState(false);
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const [message, setMessage] = useState<{ text: string; bad: boolean } | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    setMessage(null);
    try {
      if (joining) {
        const { waiting } = await api.signUp(name, password, code);
        setMessage({ text: waiting ? t('placeInLine', { n: waiting.place }) : t('signedUp'), bad: false });
        if (!waiting) setJoining(false);
      } else {
        const { csrf_token, waiting } = await api.signIn(name, password);
        useCsrf(csrf_token);
        if (waiting) setMessage({ text: t('placeInLine', { n: waiting.place }), bad: false });
        else await connect();
      }
    } catch (error) {
      setMessage({ text: (error as Error).message, bad: true });
    }
    setBusy(false);
  };
  return (
    <main class="sign-in" aria-label={t(joining ? 'signUp' : 'signIn')}>
      <form onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        <img src="icon.svg" alt="" width={48} height={48} />
        <h1>limpid</h1>
        <label class="field"><span class="label">{t('name')}</span><input type="text" autoComplete="username" required value={name} onInput={(e) => setName(e.currentTarget.value)} /></label>
        <label class="field"><span class="label">{t('password')}</span><input type="password" autoComplete={joining ? 'new-password' : 'current-password'} required value={password} onInput={(e) => setPassword(e.currentTarget.value)} /></label>
        {joining && <label class="field"><span class="label">{t('accessCode')}</span><input type="text" value={code} onInput={(e) => setCode(e.currentTarget.value)} /></label>}
        {message && <p class={message.bad ? 'problem' : ''} role={message.bad ? 'alert' : 'status'}>{message.text}</p>}
        <button type="submit" class="primary" disabled={busy}>{t(joining ? 'signUp' : 'signIn')}</button>
        <button type="button" class="link" onClick={() => { setJoining(!joining); setMessage(null); }}>
          {joining ? `${t('haveAccount')} ${t('signIn')}` : `${t('noAccount')} ${t('signUp')}`}
        </button>
      </form>
    </main>
  );
}
