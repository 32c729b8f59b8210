// One's account: what was used and what it cost, by day, key and model; API keys, made and revoked.
import { useEffect, useState } from 'preact/hooks';

import { api } from '../api/client';
import { number, t } from '../i18n';
import { info, needsSignIn, say } from '../state/app';
import { confirm, prompt } from '../ui/dialogs';

interface UsageRow {
  day: string;
  key: string;
  model: string;
  requests: number;
  prompt_cache_hit_tokens: number;
  prompt_cache_miss_tokens: number;
  completion_tokens: number;
  cost: string;
}
interface Key {
  id: string;
  prefix: string;
  name: string;
  scopes: string[];
  created: string | null;
  revoked: string | null;
  used: string | null;
}
interface Me {
  account: { name: string; tier: string };
  balance: { currency: string; total: string };
}

export function Usage() {
  const [me, setMe] = useState<Me | null>(null);
  const [rows, setRows] = useState<UsageRow[]>([]);
  const [keys, setKeys] = useState<Key[]>([]);
  const [fresh, setFresh] = useState('');
  const fail = (error: Error) => say(error.message, 'error');
  const loadKeys = () => api.get<{ keys: Key[] }>('api/keys').then((found) => setKeys(found.keys), fail);
  useEffect(() => {
    api.get<Me>('api/me').then(setMe, fail);
    api.get<{ usage: UsageRow[] }>('api/usage').then((found) => setRows(found.usage), fail);
    void loadKeys();
  }, []);
  const create = (name: string) => void api.send<Key & { key: string }>('POST', 'api/keys', { name }).then((made) => {
    setFresh(made.key);
    return loadKeys();
  }, fail);
  const signOut = () => void api.send('POST', 'api/logout', {}).then(() => {
    info.value = null;
    needsSignIn.value = true;
  }, fail);
  return (
    <main class="page" aria-label={t('keysAndUsage')} data-testid="usage-page">
      <h1>{t('keysAndUsage')}</h1>
      {me && (
        <p>
          <strong>{me.account.name}</strong> <span class="tag">{me.account.tier}</span> {t('balanceIs', { amount: me.balance.total, currency: me.balance.currency })}{' '}
          <button type="button" class="small" onClick={signOut}>{t('signOut')}</button>
        </p>
      )}
      <h2>{t('apiKeys')}</h2>
      {fresh && <p role="status">{t('keyOnce')} <code class="fresh-key" data-testid="fresh-key">{fresh}</code></p>}
      <table class="data">
        <thead><tr><th>{t('name')}</th><th>{t('apiKey')}</th><th>{t('created')}</th><th>{t('lastUsed')}</th><th><span class="visually-hidden">{t('revoke')}</span></th></tr></thead>
        <tbody>
          {keys.map((k) => (
            <tr key={k.id}>
              <td>{k.name}</td><td><code>{k.prefix}…</code></td><td>{k.created?.slice(0, 10)}</td><td>{k.used?.slice(0, 10) ?? '–'}</td>
              <td>{k.revoked ? t('revoked') : <button type="button" class="small danger" onClick={() => confirm(t('revokeAsk', { name: k.name || k.prefix }), t('revoke'), () => void api.send('DELETE', `api/keys/${k.id}`).then(loadKeys, fail))}>{t('revoke')}</button>}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p><button type="button" class="primary" onClick={() => prompt(t('keyName'), 'app', create)}>{t('newKey')}</button></p>
      <h2>{t('usage')}</h2>
      <p><a href="api/usage?format=csv">CSV</a></p>
      <table class="data">
        <thead><tr><th>{t('day')}</th><th>{t('apiKey')}</th><th>{t('model')}</th><th>{t('requests')}</th><th>{t('priceInput')}</th><th>{t('priceCached')}</th><th>{t('priceOutput')}</th><th>{t('cost')}</th></tr></thead>
        <tbody>
          {rows.map((r, i) => (
            <tr key={i}>
              <td>{r.day}</td><td>{r.key}</td><td>{r.model}</td><td>{number(r.requests)}</td><td>{number(r.prompt_cache_miss_tokens)}</td><td>{number(r.prompt_cache_hit_tokens)}</td><td>{number(r.completion_tokens)}</td><td>{r.cost}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </main>
  );
}
