import { afterEach, describe, expect, it, vi } from 'vitest';

import { ServerStore } from '../../src/state/storage';
import { type Conversation, newConversation } from '../../src/state/tree';

// A server that keeps conversations, and says what it was asked.
function server(kept: Conversation[]) {
  const asked: string[] = [];
  const rows = new Map(kept.map((c) => [c.id, c]));
  const reply = (body: unknown, status = 200) => Promise.resolve(new Response(JSON.stringify(body), { status }));
  vi.stubGlobal('fetch', (path: string, init: RequestInit = {}) => {
    asked.push(`${init.method ?? 'GET'} ${path}`);
    const id = path.split('/')[2];
    if (!id) return reply({ conversations: [...rows.values()].map((c) => ({ id: c.id, updated: c.updated, title: c.title, bytes: 1 })) });
    if (init.method === 'PUT') rows.set(id, (JSON.parse(init.body as string) as { body: Conversation }).body);
    if (init.method === 'DELETE') rows.delete(id);
    if (init.method && init.method !== 'GET') return reply({});
    const found = rows.get(id);
    return found ? reply({ id, updated: found.updated, body: found }) : reply({ error: { message: 'none' } }, 404);
  });
  return { asked, rows };
}

const conversation = (id: string, updated: number): Conversation => ({ ...newConversation(updated), id, updated, title: id });

describe('ServerStore', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('fetches each conversation once, and again only where it has changed', async () => {
    const { asked, rows } = server([conversation('a', 1), conversation('b', 2), conversation('c', 3)]);
    const store = new ServerStore([conversation('b', 2), conversation('c', 1)]);
    expect((await store.all()).map((c) => [c.id, c.updated])).toEqual([['a', 1], ['b', 2], ['c', 3]]);
    expect(asked.slice().sort()).toEqual(['GET api/conversations', 'GET api/conversations/a', 'GET api/conversations/c']);
    asked.length = 0;
    await store.all();
    expect(asked).toEqual(['GET api/conversations']);
    asked.length = 0;
    await store.save(conversation('a', 7));
    rows.set('b', conversation('b', 8));
    await store.remove('c');
    expect((await store.all()).map((c) => [c.id, c.updated])).toEqual([['a', 7], ['b', 8]]);
    expect(asked).toEqual(['PUT api/conversations/a', 'DELETE api/conversations/c', 'GET api/conversations', 'GET api/conversations/b']);
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
