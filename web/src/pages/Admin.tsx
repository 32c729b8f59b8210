// For admins: who is here and who waits, codes to let people in, and how full the server is.
import { useEffect, useState } from 'preact/hooks';

import { api } from '../api/client';
import { number, t } from '../i18n';
import { say } from '../state/app';
import { confirm, prompt } from '../ui/dialogs';

interface User {
  id: string;
  name: string;
  role: string;
  status: string;
  tier: string;
  created: string;
  balance: string;
}
interface Code {
  id: string;
  tier: string;
  uses_left: number;
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
  models: { model: string; waiting: number; running: number; most_running: number }[];
}

export function Admin() {
  const [users, setUsers] = useState<User[]>([]);
  const [codes, setCodes] = useState<Code[]>([]);
  const [waiting, setWaiting] = useState<Waiting | null>(null);
  const [load, setLoad] = useState<Load | null>(null);
  const [queue, setQueue] = useState<Queue | null>(null);
  const [tiers, setTiers] = useState<string[]>([]);
  const [fresh, setFresh] = useState('');
  const fail = (error: Error) => say(error.message, 'error');
  const loadPeople = () => {
    api.get<{ users: User[] }>('api/admin/users').then((found) => setUsers(found.users), fail);
    api.get<{ codes: Code[] }>('api/admin/codes').then((found) => setCodes(found.codes), fail);
    api.get<Waiting>('api/admin/waitlist').then(setWaiting, fail);
  };
  useEffect(() => {
    loadPeople();
    api.get<{ tiers: Record<string, unknown> }>('api/admin/tiers').then((found) => setTiers(Object.keys(found.tiers)), fail);
    const look = () => {
      if (document.hidden) return;
      api.get<Load>('api/admin/load').then(setLoad, () => undefined);
      api.get<Queue>('api/admin/queue').then(setQueue, () => undefined);
    };
    look();
    const timer = setInterval(look, 2000);
    return () => clearInterval(timer);
  }, []);
  const send = (method: string, path: string, body?: unknown) => void api.send(method, path, body).then(loadPeople, fail);
  const newCode = (tier: string) => void api.send<{ code: string }>('POST', 'api/admin/codes', { tier, uses: 1 }).then((made) => {
    setFresh(made.code);
    loadPeople();
  }, fail);
  return (
    <main class="page wide" aria-label={t('admin')} data-testid="admin-page">
      <h1>{t('admin')}</h1>
      {load && (
        <p data-testid="load">
          {t('loadIs', { load: number(load.load * 100), running: load.running, admitted: number(load.admitted) })} {t('refusedWere', { overload: number(load.refused.overload), quota: number(load.refused.quota), balance: number(load.refused.balance) })}
        </p>
      )}
      {queue?.models.map((m) => <p key={m.model} class="quiet">{m.model}: {t('queueIs', { running: m.running, most: m.most_running, waiting: m.waiting })}</p>)}
      <h2>{t('waitingList')}</h2>
      {waiting && (
        <p>
          {t('waitingIs', { active: waiting.active, capacity: waiting.capacity < 0 ? '∞' : waiting.capacity, waiting: waiting.waiting })}{' '}
          <button type="button" class="small" onClick={() => prompt(t('capacity'), String(waiting.capacity), (value) => send('POST', 'api/admin/waitlist', { capacity: Number(value) }))}>{t('capacity')}</button>{' '}
          <button type="button" class="small" disabled={!waiting.waiting} onClick={() => send('POST', 'api/admin/waitlist', { let_in: 1 })}>{t('letOneIn')}</button>
        </p>
      )}
      <h2>{t('users')}</h2>
      <table class="data">
        <thead><tr><th>{t('name')}</th><th>{t('role')}</th><th>{t('status')}</th><th>{t('tier')}</th><th>{t('balance')}</th><th><span class="visually-hidden">{t('edit')}</span></th></tr></thead>
        <tbody>
          {users.map((u) => (
            <tr key={u.id}>
              <td>{u.name}</td><td>{u.role}</td><td>{u.status}</td>
              <td>
                <select value={u.tier} aria-label={`${t('tier')}: ${u.name}`} onChange={(e) => send('PATCH', `api/admin/users/${u.id}`, { tier: e.currentTarget.value })}>
                  {tiers.map((tier) => <option key={tier} value={tier}>{tier}</option>)}
                </select>
              </td>
              <td>{u.balance}</td>
              <td class="row">
                <button type="button" class="small" onClick={() => prompt(t('topUpFor', { name: u.name }), '10.00', (amount) => send('POST', `api/admin/users/${u.id}/balance`, { amount }))}>{t('topUp')}</button>
                {u.status === 'banned'
                  ? <button type="button" class="small" onClick={() => send('PATCH', `api/admin/users/${u.id}`, { status: 'active' })}>{t('unban')}</button>
                  : <button type="button" class="small danger" onClick={() => confirm(t('banAsk', { name: u.name }), t('ban'), () => send('PATCH', `api/admin/users/${u.id}`, { status: 'banned' }))}>{t('ban')}</button>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <h2>{t('codes')}</h2>
      {fresh && <p role="status">{t('codeOnce')} <code class="fresh-key">{fresh}</code></p>}
      <table class="data">
        <thead><tr><th>{t('tier')}</th><th>{t('usesLeft')}</th><th>{t('expires')}</th><th>{t('note')}</th><th><span class="visually-hidden">{t('delete')}</span></th></tr></thead>
        <tbody>
          {codes.map((c) => (
            <tr key={c.id}><td>{c.tier}</td><td>{c.uses_left}</td><td>{c.expires?.slice(0, 10) ?? '–'}</td><td>{c.note}</td><td><button type="button" class="small danger" onClick={() => send('DELETE', `api/admin/codes/${c.id}`)}>{t('delete')}</button></td></tr>
          ))}
        </tbody>
      </table>
      <p class="row">{tiers.map((tier) => <button type="button" key={tier} onClick={() => newCode(tier)}>{t('newCode', { tier })}</button>)}</p>
    </main>
  );
}
