import 'fake-indexeddb/auto';

import { afterEach, describe, expect, it, vi } from 'vitest';

import { BrowserStore, LazySaver, ServerStore } from '../../src/state/storage';
import { add, type Conversation, type Message, newConversation } from '../../src/state/tree';

// A server that keeps conversations, and says what it was asked.
function server(kept: Conversation[]) {
  const asked: string[] = [];
  const rows = new Map(kept.map((c) => [c.id, { updated: c.updated, body: c }]));
  const reply = (body: unknown, status = 200) => Promise.resolve(new Response(JSON.stringify(body), { status }));
  vi.stubGlobal('fetch', (path: string, init: RequestInit = {}) => {
    asked.push(`${init.method ?? 'GET'} ${path}`);
    const id = path.split('/')[2];
    if (!id) return reply({ conversations: [...rows.values()].map(({ updated, body }) => ({ id: body.id, updated, title: body.title, bytes: 1 })) });
    if (init.method === 'PUT') {
      const { replaces, ...row } = JSON.parse(init.body as string) as { updated: number; replaces: number; body: Conversation };
      if (replaces !== (rows.get(id)?.updated ?? 0)) return reply({ error: { message: 'changed', code: 'conversation_changed' } }, 409);
      rows.set(id, row);
    }
    if (init.method === 'DELETE') rows.delete(id);
    if (init.method && init.method !== 'GET') return reply({});
    const found = rows.get(id);
    return found ? reply({ id, ...found }) : reply({ error: { message: 'none' } }, 404);
  });
  return { asked, rows };
}

const conversation = (id: string, updated: number): Conversation => ({ ...newConversation(updated), id, updated, title: id });

const question = (id: string, created: number): Message => ({ id, parent: null, role: 'user', content: id, created });

describe('BrowserStore', () => {
  it('merges with what another window wrote, and does not bring back what it deleted', async () => {
    const [here, there] = [new BrowserStore('test'), new BrowserStore('test')];
    const base = conversation('a', 1);
    await here.save(base, undefined);
    await Promise.all([here.save(add(base, question('mine', 2)), base), there.save({ ...add(base, question('theirs', 3)), title: 'Renamed', titled: true }, base)]);
    const kept = (await there.get('a'))!;
    expect(Object.keys(kept.messages).sort()).toEqual(['mine', 'theirs']);
    expect(kept).toMatchObject({ title: 'Renamed', updated: 3 });
    await there.remove('a');
    expect(await here.save({ ...kept, title: 'x' }, kept)).toBeUndefined();
    expect(await there.all()).toEqual([]);
  });
});

describe('LazySaver', () => {
  it('writes one after another, what there is when its turn comes, and again what failed', async () => {
    const written: string[] = [];
    let value = 1;
    let failing = 0;
    let release = () => undefined as void;
    const saver = new LazySaver(async (id) => {
      if (failing-- > 0) throw new Error('no room');
      const now = value;
      await new Promise<void>((done) => { release = done; });
      written.push(`${id}${now}`);
    }, 1e6);
    const errors: unknown[] = [];
    saver.onError = (error) => errors.push(error);
    saver.save('a');
    const first = saver.flush();
    await Promise.resolve();
    value = 2;
    saver.save('a');
    const second = saver.flush();
    value = 3;
    release();
    await first;
    await new Promise((wake) => setTimeout(wake));
    release();
    await second;
    expect(written).toEqual(['a1', 'a3']);
    failing = 1;
    saver.save('b');
    await saver.flush();
    expect(errors).toHaveLength(1);
    const again = saver.flush();
    await new Promise((wake) => setTimeout(wake));
    release();
    await again;
    expect(written).toEqual(['a1', 'a3', 'b3']);
    saver.save('c');
    saver.end();
    await saver.flush();
    expect(written).toHaveLength(3);
  });
});

describe('ServerStore', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('fetches each conversation once, and again only where it has changed', async () => {
    const { asked, rows } = server([conversation('a', 1), conversation('b', 2), conversation('c', 3)]);
    const store = new ServerStore();
    expect((await store.all()).map((c) => [c.id, c.updated])).toEqual([['a', 1], ['b', 2], ['c', 3]]);
    expect(asked.slice().sort()).toEqual(['GET api/conversations', 'GET api/conversations/a', 'GET api/conversations/b', 'GET api/conversations/c']);
    asked.length = 0;
    await store.all();
    expect(asked).toEqual(['GET api/conversations']);
    asked.length = 0;
    await store.save(conversation('a', 7), conversation('a', 1));
    rows.set('b', { updated: 8, body: conversation('b', 8) });
    await store.remove('c');
    expect((await store.all()).map((c) => [c.id, c.updated])).toEqual([['a', 7], ['b', 8]]);
    expect(asked).toEqual(['GET api/conversations/a', 'PUT api/conversations/a', 'DELETE api/conversations/c', 'GET api/conversations', 'GET api/conversations/b']);
  });

  it('gives a new version to what is renamed, so that other devices see it, and leaves its time', async () => {
    const { rows } = server([conversation('a', 5)]);
    const [here, there] = [new ServerStore(), new ServerStore()];
    const [base] = (await here.all()) as [Conversation];
    await there.all();
    await here.save({ ...base, title: 'Renamed', titled: true }, base);
    expect(rows.get('a')!.updated).toBeGreaterThan(5);
    expect((await there.all())[0]).toMatchObject({ title: 'Renamed', updated: 5 });
  });

  it('merges with what another device wrote, and does not bring back what it deleted', async () => {
    const { rows } = server([conversation('a', 5)]);
    const [here, there] = [new ServerStore(), new ServerStore()];
    const [base] = (await here.all()) as [Conversation];
    await there.all();
    await there.save(add(base, question('theirs', 9)), base);
    const kept = await here.save(add(base, question('mine', 8)), base);
    expect(Object.keys(kept!.messages).sort()).toEqual(['mine', 'theirs']);
    expect(Object.keys(rows.get('a')!.body.messages).sort()).toEqual(['mine', 'theirs']);
    await there.remove('a');
    expect(await here.save({ ...kept!, title: 'x' }, kept)).toBeUndefined();
    expect(rows.has('a')).toBe(false);
  });

  it('loses nothing where two devices write at the same moment', async () => {
    const { asked, rows } = server([conversation('a', 5)]);
    const [here, there] = [new ServerStore(), new ServerStore()];
    const [base] = (await here.all()) as [Conversation];
    await there.all();
    await Promise.all([here.save(add(base, question('mine', 8)), base), there.save(add(base, question('theirs', 9)), base)]);
    expect(Object.keys(rows.get('a')!.body.messages).sort()).toEqual(['mine', 'theirs']);
    expect(asked.filter((line) => line.startsWith('PUT'))).toHaveLength(3);
    await Promise.all([here.save(conversation('new', 1), undefined), there.save(add(conversation('new', 1), question('b', 2)), undefined)]);
    expect(Object.keys(rows.get('new')!.body.messages)).toEqual(['b']);
  });

  it('has many under way but not all at once, and leaves out what is deleted meanwhile', async () => {
    const all = Array.from({ length: 40 }, (_, i) => conversation(`c${i}`, i));
    const { rows } = server(all);
    const answer = fetch;
    let under = 0;
    let most = 0;
    vi.stubGlobal('fetch', async (path: string, init?: RequestInit) => {
      if (path === 'api/conversations/c5') rows.delete('c5');
      most = Math.max(most, ++under);
      await new Promise((resolve) => setTimeout(resolve, 1));
      under -= 1;
      return answer(path, init);
    });
    const found = await new ServerStore().all();
    expect(found.map((c) => c.id)).toEqual(all.filter((c) => c.id !== 'c5').map((c) => c.id));
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(6);
  });
});
