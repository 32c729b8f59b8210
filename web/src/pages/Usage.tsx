// One's account: balance, API keys (made, shown once, revoked), what was used and what it cost by day, key and model, and
// the account itself: password, sessions, deletion.
import { useEffect, useState } from 'preact/hooks';

import { api } from '../api/client';
import { number, t } from '../i18n';
import { explain } from '../i18n/explain';
import { say } from '../state/app';
import { left, signOut } from '../state/session';
import { Bars } from '../glass/Bars';
import { confirm, prompt } from '../ui/dialogs';
import { Once, Table } from '../ui/table';

export interface UsageRow {
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
  created: string | null;
  revoked: string | null;
  used: string | null;
}
interface Me {
  account: { name: string; tier: string };
  balance: { currency: string; total: string };
}

/** Decimal amounts added up without losing a digit. */
export function addMoney(amounts: string[]): string {
  const micros = amounts.reduce((sum, text) => {
    const [whole = '0', part = ''] = text.replace('-', '').split('.');
    const value = BigInt(whole) * 1_000_000n + BigInt(part.padEnd(6, '0').slice(0, 6));
    return sum + (text.startsWith('-') ? -value : value);
  }, 0n);
  const digits = (micros < 0n ? -micros : micros).toString().padStart(7, '0');
  return `${micros < 0n ? '-' : ''}${digits.slice(0, -6)}.${digits.slice(-6).replace(/0{1,4}$/, '')}`;
}

/** The last `count` days, each with its sum: days without use are there, too. */
export function byDay(rows: { day: string; value: number }[], last: Date, count: number): [string, number][] {
  const sums = new Map<string, number>();
  for (const row of rows) sums.set(row.day, (sums.get(row.day) ?? 0) + row.value);
  return Array.from({ length: count }, (_v, i) => {
    const day = new Date(last.getTime() - (count - 1 - i) * 86_400_000).toISOString().slice(0, 10);
    return [day, sums.get(day) ?? 0];
  });
}

/** A browser's sessions are one row a day and model: "in the app". */
export function mergeSessions(rows: UsageRow[]): UsageRow[] {
  const out = new Map<string, UsageRow>();
  for (const row of rows) {
    const key = row.key.startsWith('ses_') ? '' : row.key;
    const id = `${row.day} ${key} ${row.model}`;
    const have = out.get(id);
    out.set(id, !have ? { ...row, key } : {
      ...have,
      requests: have.requests + row.requests,
      prompt_cache_hit_tokens: have.prompt_cache_hit_tokens + row.prompt_cache_hit_tokens,
      prompt_cache_miss_tokens: have.prompt_cache_miss_tokens + row.prompt_cache_miss_tokens,
      completion_tokens: have.completion_tokens + row.completion_tokens,
      cost: addMoney([have.cost, row.cost]),
    });
  }
  return [...out.values()];
}

const keyWords = (key: string, keys: Key[]): string => {
  const found = keys.find((k) => k.id === key);
  return found ? found.name || found.prefix : key ? key : t('inTheApp');
};

function Keys({ keys, load }: { keys: Key[]; load: () => void }) {
  const [fresh, setFresh] = useState('');
  const fail = (error: unknown) => say(explain(error), 'error');
  const create = (name: string) => void api.send<Key & { key: string }>('POST', 'api/keys', { name }).then((made) => {
    setFresh(made.key);
    load();
  }, fail);
  const revoke = (k: Key) => confirm(t('revokeAsk', { name: k.name || k.prefix }), t('revoke'), () => void api.send('DELETE', `api/keys/${k.id}`).then(load, fail));
  return (
    <section>
      <h2>{t('apiKeys')}</h2>
      <p class="quiet">{t('keysHint', { address: new URL('v1', document.baseURI).href })}</p>
      {fresh && <Once words={t('keyOnce')} value={fresh} testId="fresh-key" />}
      {keys.length > 0 && (
        <Table label={t('apiKeys')} heads={[t('purpose'), t('apiKey'), t('created'), t('lastUsed'), '']}>
          {keys.map((k) => (
            <tr key={k.id} class={k.revoked ? 'off' : ''}>
              <td>{k.name}</td><td><code>{k.prefix}…</code></td><td>{k.created?.slice(0, 10)}</td><td>{k.used?.slice(0, 10) ?? '–'}</td>
              <td class="end">{k.revoked ? <span class="quiet">{t('revoked')}</span> : <button type="button" class="small danger" onClick={() => revoke(k)}>{t('revoke')}</button>}</td>
            </tr>
          ))}
        </Table>
      )}
      <p class="row after"><button type="button" class="primary" onClick={() => prompt(t('keyName'), '', create)} data-testid="new-key">{t('newKey')}</button></p>
    </section>
  );
}

function Used({ rows, keys, currency }: { rows: UsageRow[]; keys: Key[]; currency: string }) {
  const tokens = (r: UsageRow) => r.prompt_cache_hit_tokens + r.prompt_cache_miss_tokens + r.completion_tokens;
  const sum = (of: (r: UsageRow) => number) => number(rows.reduce((all, r) => all + of(r), 0));
  return (
    <section>
      <h2>{t('usage')}</h2>
      {rows.length === 0 ? <p class="quiet">{t('nothingUsed')}</p> : (
        <>
          <Bars name={t('tokensByDay')} values={byDay(rows.map((r) => ({ day: r.day, value: tokens(r) })), new Date(), 30)} />
          <Table label={t('usage')} heads={[t('day'), t('apiKey'), t('model'), t('requests'), t('priceInput'), t('priceCached'), t('priceOutput'), `${t('cost')} (${currency})`]} numbersFrom={3}>
            {rows.map((r, i) => (
              <tr key={i} data-testid="usage-row">
                <td>{r.day}</td><td>{keyWords(r.key, keys)}</td><td>{r.model}</td><td>{number(r.requests)}</td><td>{number(r.prompt_cache_miss_tokens)}</td><td>{number(r.prompt_cache_hit_tokens)}</td><td>{number(r.completion_tokens)}</td><td>{r.cost}</td>
              </tr>
            ))}
            <tr class="sum"><td colSpan={3}>{t('sum')}</td><td>{sum((r) => r.requests)}</td><td>{sum((r) => r.prompt_cache_miss_tokens)}</td><td>{sum((r) => r.prompt_cache_hit_tokens)}</td><td>{sum((r) => r.completion_tokens)}</td><td>{addMoney(rows.map((r) => r.cost))}</td></tr>
          </Table>
          <p class="after"><a href="api/usage?format=csv" download="usage.csv">{t('asCsv')}</a></p>
        </>
      )}
    </section>
  );
}

function Account() {
  const [before, setBefore] = useState('');
  const [after, setAfter] = useState('');
  const [gone, setGone] = useState('');
  const fail = (error: unknown) => say(explain(error), 'error');
  const change = () => void api.send('POST', 'api/password', { old_password: before, new_password: after }).then(() => {
    say(t('passwordChanged'));
    return left();
  }, fail);
  const remove = () => confirm(t('deleteAccountAsk'), t('deleteAccount'), () => void api.send('DELETE', 'api/me', { password: gone }).then(left, fail));
  return (
    <section>
      <h2>{t('account')}</h2>
      <p class="row"><button type="button" onClick={() => void signOut().catch(fail)} data-testid="sign-out">{t('signOut')}</button> <button type="button" onClick={() => void signOut(true).catch(fail)}>{t('signOutEverywhere')}</button></p>
      <details>
        <summary>{t('changePassword')}</summary>
        <form onSubmit={(e) => { e.preventDefault(); change(); }}>
          <label class="field"><span class="label">{t('passwordNow')}</span><input type="password" autoComplete="current-password" required value={before} onInput={(e) => setBefore(e.currentTarget.value)} /></label>
          <label class="field"><span class="label">{t('passwordNew')}</span><input type="password" autoComplete="new-password" required minLength={8} value={after} onInput={(e) => setAfter(e.currentTarget.value)} /><span class="quiet">{t('passwordHint')}</span></label>
          <button type="submit" class="primary">{t('changePassword')}</button>
        </form>
      </details>
      <details>
        <summary>{t('deleteAccount')}</summary>
        <form onSubmit={(e) => { e.preventDefault(); remove(); }}>
          <p class="quiet">{t('deleteAccountHint')}</p>
          <label class="field"><span class="label">{t('password')}</span><input type="password" autoComplete="current-password" required value={gone} onInput={(e) => setGone(e.currentTarget.value)} /></label>
          <button type="submit" class="danger">{t('deleteAccount')}</button>
        </form>
      </details>
    </section>
  );
}

export function Usage() {
  const [me, setMe] = useState<Me | null>(null);
  const [rows, setRows] = useState<UsageRow[] | null>(null);
  const [keys, setKeys] = useState<Key[]>([]);
  const fail = (error: unknown) => say(explain(error), 'error');
  const loadKeys = () => void api.get<{ keys: Key[] }>('api/keys').then((found) => setKeys(found.keys), fail);
  useEffect(() => {
    api.get<Me>('api/me').then(setMe, fail);
    api.get<{ usage: UsageRow[] }>('api/usage').then((found) => setRows(mergeSessions(found.usage).sort((a, b) => (a.day < b.day ? 1 : a.day > b.day ? -1 : 0))), fail);
    loadKeys();
  }, []);
  return (
    <main class="page" aria-label={t('keysAndUsage')} data-testid="usage-page">
      <h1>{t('keysAndUsage')}</h1>
      {me && (
        <ul class="tiles">
          <li><span class="quiet">{t('account')}</span><strong>{me.account.name}</strong></li>
          <li><span class="quiet">{t('tier')}</span><strong>{me.account.tier}</strong></li>
          <li data-testid="balance"><span class="quiet">{t('balance')}</span><strong>{me.balance.total} <small>{me.balance.currency}</small></strong></li>
        </ul>
      )}
      <Keys keys={keys} load={loadKeys} />
      {rows && <Used rows={rows} keys={keys} currency={me?.balance.currency ?? ''} />}
      <Account />
    </main>
  );
}
