// For admins: how full the server is, who is here and who waits, and codes to let people in.
import { useEffect, useState } from 'preact/hooks';

import { api } from '../api/client';
import { number, t, type Key } from '../i18n';
import { explain } from '../i18n/explain';
import { info, say } from '../state/app';
import { confirm, prompt } from '../ui/dialogs';
import { Once, Table } from '../ui/table';

interface User {
  id: string;
  name: string;
  role: string;
  status: 'active' | 'waiting' | 'banned';
  tier: string;
  created: string;
  balance: string;
}
interface Code {
  id: string;
  tier: string;
  uses_left: number;
  credit: string;
  expires: string | null;
  note: string;
}
interface Waiting {
  capacity: number;
  active: number;
  waiting: number;
}
interface Load {
  load: number;
  running: number;
  admitted: number;
  refused: { overload: number; quota: number; balance: number };
}
interface Queue {
  models: { model: string; waiting: number; running: number; most_waiting: number; most_running: number }[];
}
interface Audit {
  balanced: boolean;
  faults: string[];
  entries: number;
}

const fail = (error: unknown) => say(explain(error), 'error');
const statusWords: Record<User['status'], Key> = { active: 'statusActive', waiting: 'statusWaiting', banned: 'statusBanned' };
const PAGE = 100;

function LoadNow() {
  const [load, setLoad] = useState<Load | null>(null);
  const [queue, setQueue] = useState<Queue | null>(null);
  const [audit, setAudit] = useState<Audit | null>(null);
  useEffect(() => {
    const look = () => {
      if (document.hidden) return;
      api.get<Load>('api/admin/load').then(setLoad, () => undefined);
      api.get<Queue>('api/admin/queue').then(setQueue, () => undefined);
    };
    look();
    const timer = setInterval(look, 2000);
    return () => clearInterval(timer);
  }, []);
  if (!load) return null;
  const { overload, quota, balance } = load.refused;
  return (
    <section aria-label={t('load')}>
      <ul class="tiles" data-testid="load">
        <li><span class="quiet">{t('load')}</span><strong>{number(load.load * 100)} %</strong></li>
        <li><span class="quiet">{t('runningNow')}</span><strong>{number(load.running)}</strong></li>
        <li><span class="quiet">{t('admittedSince')}</span><strong>{number(load.admitted)}</strong></li>
        <li><span class="quiet">{t('refusedSince')}</span><strong>{number(overload + quota + balance)}</strong><small class="quiet">{t('refusedWhy', { overload: number(overload), quota: number(quota), balance: number(balance) })}</small></li>
      </ul>
      {queue?.models.map((m) => <p key={m.model} class="quiet" data-testid="queue">{m.model}: {t('queueIs', { running: m.running, most: m.most_running, waiting: m.waiting, all: m.most_waiting })}</p>)}
      <p class="row after">
        <button type="button" class="small" onClick={() => void api.get<Audit>('api/admin/audit').then(setAudit, fail)}>{t('checkBooks')}</button>
        {audit && <span role="status" class={audit.balanced ? 'quiet' : 'problem'}>{audit.balanced ? t('booksRight', { n: number(audit.entries) }) : audit.faults.join('; ')}</span>}
      </p>
    </section>
  );
}

function People({ tiers, version, changed }: { tiers: string[]; version: number; changed: () => void }) {
  const [users, setUsers] = useState<User[]>([]);
  const [more, setMore] = useState(false);
  const [status, setStatus] = useState('');
  const load = (after = '') => void api.get<{ users: User[] }>(`api/admin/users?limit=${PAGE}&status=${status}&after=${encodeURIComponent(after)}`).then((found) => {
    setUsers((have) => (after ? [...have, ...found.users] : found.users));
    setMore(found.users.length === PAGE);
  }, fail);
  useEffect(() => load(), [status, version]);
  const send = (method: string, path: string, body?: unknown) => void api.send(method, path, body).then(changed, (error) => { fail(error); changed(); });
  return (
    <section>
      <div class="row spread">
        <h2>{t('users')}</h2>
        <select value={status} aria-label={t('status')} onChange={(e) => setStatus(e.currentTarget.value)}>
          <option value="">{t('everybody')}</option>
          {(Object.keys(statusWords) as User['status'][]).map((s) => <option key={s} value={s}>{t(statusWords[s])}</option>)}
        </select>
      </div>
      <Table label={t('users')} heads={[t('name'), t('status'), t('tier'), t('balance'), '']}>
        {users.map((u) => {
          const oneself = u.name === info.value?.user?.name;
          return (
            <tr key={u.id} data-testid={`user-${u.name}`}>
              <td>{u.name} {u.role === 'admin' && <span class="tag">{t('adminRole')}</span>}</td>
              <td><span class={`status ${u.status}`}>{t(statusWords[u.status])}</span></td>
              <td>
                <select value={u.tier} aria-label={`${t('tier')}: ${u.name}`} onChange={(e) => send('PATCH', `api/admin/users/${u.id}`, { tier: e.currentTarget.value })}>
                  {tiers.map((tier) => <option key={tier} value={tier}>{tier}</option>)}
                </select>
              </td>
              <td>{u.balance}</td>
              <td class="end">
                <span class="row end-row">
                  {u.status === 'waiting' && <button type="button" class="small primary" onClick={() => send('PATCH', `api/admin/users/${u.id}`, { status: 'active' })}>{t('letIn')}</button>}
                  <button type="button" class="small" onClick={() => prompt(t('topUpFor', { name: u.name }), '10.00', (amount) => send('POST', `api/admin/users/${u.id}/balance`, { amount }))}>{t('topUp')}</button>
                  {!oneself && (u.status === 'banned'
                    ? <button type="button" class="small" onClick={() => send('PATCH', `api/admin/users/${u.id}`, { status: 'active' })}>{t('unban')}</button>
                    : <button type="button" class="small danger" onClick={() => confirm(t('banAsk', { name: u.name }), t('ban'), () => send('PATCH', `api/admin/users/${u.id}`, { status: 'banned' }))}>{t('ban')}</button>)}
                </span>
              </td>
            </tr>
          );
        })}
      </Table>
      {more && <p class="after"><button type="button" onClick={() => load(users[users.length - 1]?.name)}>{t('showMore')}</button></p>}
    </section>
  );
}

function Codes({ tiers, standard, version, changed }: { tiers: string[]; standard: string; version: number; changed: () => void }) {
  const [codes, setCodes] = useState<Code[]>([]);
  const [fresh, setFresh] = useState('');
  const [tier, setTier] = useState('');
  const [uses, setUses] = useState(1);
  const [credit, setCredit] = useState('0.00');
  const [days, setDays] = useState(30);
  const [note, setNote] = useState('');
  useEffect(() => void api.get<{ codes: Code[] }>('api/admin/codes').then((found) => setCodes(found.codes), fail), [version]);
  const make = () => void api.send<{ code: string }>('POST', 'api/admin/codes', { tier: tier || standard, uses, credit, expires_days: days, note }).then((made) => {
    setFresh(made.code);
    setNote('');
    changed();
  }, fail);
  return (
    <section>
      <h2>{t('codes')}</h2>
      <form class="row fields" onSubmit={(e) => { e.preventDefault(); make(); }}>
        <label><span class="label">{t('tier')}</span><select value={tier || standard} data-testid="code-tier" onChange={(e) => setTier(e.currentTarget.value)}>{tiers.map((x) => <option key={x} value={x}>{x}</option>)}</select></label>
        <label><span class="label">{t('uses')}</span><input type="number" min={1} max={1_000_000} value={uses} onInput={(e) => setUses(Number(e.currentTarget.value))} /></label>
        <label><span class="label">{t('credit')}</span><input type="text" inputMode="decimal" size={7} value={credit} onInput={(e) => setCredit(e.currentTarget.value)} /></label>
        <label><span class="label">{t('daysValid')}</span><input type="number" min={0} max={36_500} value={days} onInput={(e) => setDays(Number(e.currentTarget.value))} /></label>
        <label class="grow"><span class="label">{t('note')}</span><input type="text" maxLength={200} value={note} onInput={(e) => setNote(e.currentTarget.value)} /></label>
        <button type="submit" class="primary" data-testid="new-code">{t('newCode')}</button>
      </form>
      {fresh && (
        <>
          <Once words={t('codeOnce')} value={fresh} testId="fresh-code" />
          <Once words={t('codeLink')} value={new URL(`#/join/${fresh}`, document.baseURI).href} testId="fresh-link" />
        </>
      )}
      {codes.length > 0 && (
        <Table label={t('codes')} heads={[t('note'), t('tier'), t('usesLeft'), t('credit'), t('expires'), '']}>
          {codes.map((c) => (
            <tr key={c.id}><td>{c.note}</td><td>{c.tier}</td><td>{c.uses_left}</td><td>{c.credit}</td><td>{c.expires?.slice(0, 10) ?? '–'}</td><td class="end"><button type="button" class="small danger" onClick={() => void api.send('DELETE', `api/admin/codes/${c.id}`).then(changed, fail)}>{t('delete')}</button></td></tr>
          ))}
        </Table>
      )}
    </section>
  );
}

export function Admin() {
  const [waiting, setWaiting] = useState<Waiting | null>(null);
  const [tiers, setTiers] = useState<string[]>([]);
  const [standard, setStandard] = useState('');
  const [version, setVersion] = useState(0);
  const changed = () => setVersion((v) => v + 1);
  useEffect(() => void api.get<Waiting>('api/admin/waitlist').then(setWaiting, fail), [version]);
  useEffect(() => {
    api.get<{ tiers: Record<string, unknown>; default_tier: string }>('api/admin/tiers').then((found) => {
      setTiers(Object.keys(found.tiers));
      setStandard(found.default_tier);
    }, fail);
  }, []);
  const change = (body: unknown) => void api.send('POST', 'api/admin/waitlist', body).then(changed, fail);
  return (
    <main class="page wide" aria-label={t('admin')} data-testid="admin-page">
      <h1>{t('admin')}</h1>
      <LoadNow />
      <section>
        <h2>{t('waitingList')}</h2>
        {waiting && (
          <p class="row" data-testid="waiting">
            <span>{t('waitingIs', { active: number(waiting.active), capacity: waiting.capacity < 0 ? '∞' : number(waiting.capacity), waiting: number(waiting.waiting) })}</span>
            <button type="button" class="small" onClick={() => prompt(t('capacityAsk'), String(waiting.capacity), (value) => change({ capacity: Number(value) }))}>{t('capacity')}</button>
            <button type="button" class="small" disabled={!waiting.waiting} onClick={() => change({ let_in: 1 })}>{t('letOneIn')}</button>
          </p>
        )}
      </section>
      <People tiers={tiers} version={version} changed={changed} />
      <Codes tiers={tiers} standard={standard} version={version} changed={changed} />
    </main>
  );
}
