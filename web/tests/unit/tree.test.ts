import { describe, expect, it } from 'vitest';

import { fromExport, toJson, toMarkdown } from '../../src/state/transfer';
import { add, children, type Conversation, type Message, newConversation, path, remove, show, siblings, titleFrom, update } from '../../src/state/tree';

const message = (id: string, parent: string | null, role: 'user' | 'assistant', content: string, created = 0): Message => ({ id, parent, role, content, created });

function sample(): Conversation {
  let c = newConversation(1);
  c = add(c, message('q1', null, 'user', 'one?', 1));
  c = add(c, message('a1', 'q1', 'assistant', 'one.', 2));
  c = add(c, message('q2', 'a1', 'user', 'two?', 3));
  c = add(c, message('a2', 'q2', 'assistant', 'two.', 4));
  return add(c, message('a2b', 'q2', 'assistant', 'TWO.', 5));
}

describe('tree', () => {
  it('shows the path to the leaf', () => {
    expect(path(sample()).map((m) => m.id)).toEqual(['q1', 'a1', 'q2', 'a2b']);
  });
  it('knows versions and goes to the newest leaf below one', () => {
    const c = sample();
    expect(siblings(c, c.messages['a2'] as Message).map((m) => m.id)).toEqual(['a2', 'a2b']);
    expect(path(show(c, 'a2')).map((m) => m.id)).toEqual(['q1', 'a1', 'q2', 'a2']);
    expect(show(c, 'q1').leaf).toBe('a2b');
  });
  it('loses nothing by an edit', () => {
    const c = add({ ...sample(), leaf: 'a1' }, message('q2b', 'a1', 'user', 'TWO?', 6));
    expect(children(c, 'a1').map((m) => m.id)).toEqual(['q2', 'q2b']);
    expect(Object.keys(c.messages).length).toBe(6);
  });
  it('removes a message with what is below it and shows a neighbour', () => {
    expect(remove(sample(), 'a2b').leaf).toBe('a2');
    expect(remove(sample(), 'q2').leaf).toBe('a1');
    const empty = remove(sample(), 'q1');
    expect(empty.leaf).toBeNull();
    expect(Object.keys(empty.messages)).toEqual([]);
  });
  it('does not change what it was given', () => {
    const c = sample();
    const before = JSON.stringify(c);
    update(c, 'a1', { content: 'x' });
    remove(c, 'q1');
    expect(JSON.stringify(c)).toBe(before);
  });
  it('ends on a circle in what was imported', () => {
    const c = sample();
    (c.messages['q1'] as Message).parent = 'a2b';
    expect(path(c).length).toBeGreaterThan(0);
  });
  it('makes a title of the first line', () => {
    expect(titleFrom('  short\nmore')).toBe('short');
    expect(titleFrom('word '.repeat(30)).length).toBeLessThanOrEqual(61);
    expect([...titleFrom('字'.repeat(100))].length).toBe(61);
  });
});

describe('transfer', () => {
  it('comes back from its own JSON as it was', () => {
    const c = sample();
    expect(fromExport(toJson([c]))).toEqual([c]);
  });
  it('reads the web export of DeepSeek', () => {
    const source = JSON.stringify([
      {
        id: 'x', title: 'Sums', inserted_at: '2025-02-01T10:00:00.000000+08:00', updated_at: '2025-02-01T10:01:00.000000+08:00',
        mapping: {
          root: { id: 'root', parent: null, children: ['1'], message: null },
          '1': { id: '1', parent: 'root', children: ['2', '3'], message: { model: 'deepseek-reasoner', inserted_at: '2025-02-01T10:00:01+08:00', fragments: [{ type: 'REQUEST', content: '1+1?' }] } },
          '2': { id: '2', parent: '1', children: [], message: { model: 'deepseek-reasoner', fragments: [{ type: 'THINK', content: 'hm' }, { type: 'RESPONSE', content: '2' }] } },
          '3': { id: '3', parent: '1', children: [], message: { model: 'deepseek-reasoner', fragments: [{ type: 'RESPONSE', content: 'two' }] } },
        },
      },
    ]);
    const [c] = fromExport(source);
    expect(c?.title).toBe('Sums');
    expect(Object.values(c!.messages).map((m) => m.content).sort()).toEqual(['1+1?', '2', 'two']);
    const question = Object.values(c!.messages).find((m) => m.role === 'user') as Message;
    expect(children(c!, question.id).length).toBe(2);
    expect(Object.values(c!.messages).find((m) => m.thinking)?.thinking).toBe('hm');
  });
  it('refuses what it does not know', () => {
    const node = (id: string, parent: string, children: string[], type: string) => [id, { id, parent, children, message: { inserted_at: '2025-03-01T10:00:00Z', fragments: [{ type, content: id }] } }];
    const many = Object.fromEntries([node('q', '', ['a1', 'a2', 'a3', 'a4', 'a5', 'a6'], 'REQUEST'), ...[1, 2, 3, 4, 5, 6].map((n) => node(`a${n}`, 'q', [], 'RESPONSE'))]);
    const [tree] = fromExport(JSON.stringify([{ mapping: many }]));
    expect(children(tree!, Object.values(tree!.messages).find((m) => m.role === 'user')!.id).map((m) => m.content)).toEqual(['a1', 'a2', 'a3', 'a4', 'a5', 'a6']);
    expect(() => fromExport('{"a": 1}')).toThrow();
    expect(() => fromExport('not json')).toThrow();
    expect(() => fromExport('[{"a": 1}]')).toThrow();
  });
  it('writes Markdown of what is shown', () => {
    const text = toMarkdown({ ...sample(), title: 'T' }, { you: 'You', thinking: 'Thinking' });
    expect(text).toContain('# T');
    expect(text).toContain('TWO.');
    expect(text).not.toContain('\ntwo.');
  });
});
