import { describe, expect, it } from 'vitest';

import { further, join, merge } from '../../src/state/merge';
import { add, type Conversation, type Message, newConversation, path, remove } from '../../src/state/tree';

const said = (id: string, parent: string | null, created: number, more: Partial<Message> = {}): Message => ({ id, parent, role: parent ? 'assistant' : 'user', content: id, created, ...more });
const start = (): Conversation => add(add({ ...newConversation(1), id: 'c' }, said('q', null, 1)), said('a', 'q', 2, { state: 'done' }));
const ids = (c: Conversation) => Object.keys(c.messages).sort();

describe('two windows write to one conversation', () => {
  it('and both have all messages; each stays at its own', () => {
    const base = start();
    const mine = add(base, said('m', 'a', 3));
    const theirs = add(base, said('t', 'a', 4));
    const kept = merge(base, mine, theirs);
    expect(ids(kept)).toEqual(['a', 'm', 'q', 't']);
    expect(join(base, mine, theirs).leaf).toBe('m');
    expect(join(base, theirs, kept).leaf).toBe('t');
    expect(ids(merge(base, theirs, mine))).toEqual(ids(kept));
  });
  it('and what each renamed, moved or told it holds', () => {
    const base = start();
    const kept = merge(base, { ...base, title: 'New', titled: true }, { ...base, folder: 'F', system: 'S', updated: 9 });
    expect(kept).toMatchObject({ title: 'New', titled: true, folder: 'F', system: 'S', updated: 9 });
    expect(merge(base, { ...base, folder: 'F' }, { ...base, title: 'Theirs', titled: true })).toMatchObject({ title: 'Theirs', titled: true, folder: 'F' });
  });
  it('and what one deleted is gone, but for what the other wrote below it', () => {
    const base = start();
    const without = remove(base, 'a');
    expect(ids(merge(base, without, { ...base, title: 'x' }))).toEqual(['q']);
    expect(ids(merge(base, { ...base, title: 'x' }, without))).toEqual(['q']);
    const below = add(base, said('b', 'a', 5));
    expect(ids(merge(base, below, without))).toEqual(['a', 'b', 'q']);
    expect(ids(merge(base, without, below))).toEqual(['a', 'b', 'q']);
    const all = remove(base, 'q');
    expect(all.leaf).toBeNull();
    expect(path(merge(base, below, all)).map((m) => m.id)).toEqual(['q', 'a', 'b']);
    expect(merge(base, base, all).leaf).toBeNull();
  });
  it('and versions without a common past (an import) come together', () => {
    const base = start();
    const other = { ...add(remove(base, 'a'), said('b', 'q', 7)), title: 'Imported' };
    expect(ids(merge(undefined, other, base))).toEqual(['a', 'b', 'q']);
    expect(merge(undefined, other, base).title).toBe(base.title);
  });
});

describe('what a window shows', () => {
  it('is the same value where nothing is new, though it was read anew', () => {
    const mine = start();
    expect(join(mine, mine, structuredClone(mine))).toBe(mine);
  });
  it('goes on with what another adds below it, and stays where another only looks elsewhere', () => {
    const base = start();
    const mine = structuredClone(base);
    expect(join(base, mine, add(base, said('n', 'a', 3))).leaf).toBe('n');
    // Another version of the answer is there to choose.
    const again = add({ ...base, leaf: 'q' }, said('a2', 'q', 3));
    expect(join(base, mine, again)).toMatchObject({ leaf: 'a', messages: { a2: { content: 'a2' } } });
    expect(join(again, { ...again, leaf: 'a' }, add(again, said('n2', 'a2', 4))).leaf).toBe('a');
    expect(join(again, again, { ...again, leaf: 'a' }).leaf).toBe('a2');
    expect(join(base, mine, remove(base, 'a')).leaf).toBe('q');
  });
  it('keeps the messages that did not change as they are', () => {
    const mine = start();
    const joined = join(mine, mine, add(structuredClone(mine), said('n', 'a', 3)));
    expect(joined.messages['a']).toBe(mine.messages['a']);
  });
});

describe('of two states of an answer', () => {
  const at = (state: Message['state'], content: string, more: Partial<Message> = {}) => said('a', 'q', 1, { state, content, ...more });
  it('the later one is kept', () => {
    expect(further(at('streaming', 'one'), at('streaming', 'one two')).content).toBe('one two');
    expect(further(at('streaming', 'one two three'), at('done', 'one two')).state).toBe('done');
    expect(further(at('failed', 'one', { error: 'lost' }), at('streaming', '')).state).toBe('streaming');
    expect(further(at('failed', 'one', { error: 'broken' }), at('streaming', 'one two')).state).toBe('failed');
    expect(further(at('done', 'one'), at('failed', 'one two', { error: 'broken' })).state).toBe('done');
    const traced = at('done', 'x', { trace: { thinking: [], answer: [{ token: 'x', logprob: 0 }] } });
    expect(further(at('done', 'x'), traced)).toBe(traced);
    expect(further(traced, at('done', 'x'))).toBe(traced);
  });
  it('the window that only hears of it does not write over the one that receives it', () => {
    const base = start();
    const receiver = { ...base, messages: { ...base.messages, a: at('streaming', 'one', { trace: { thinking: [], answer: [{ token: 'one', logprob: 0 }] } }) } };
    const hearer = { ...base, title: 'Renamed', titled: true, messages: { ...base.messages, a: at('streaming', 'one two') } };
    expect(merge(base, hearer, receiver).messages['a']).toBe(receiver.messages['a']);
    expect(merge(base, hearer, receiver).title).toBe('Renamed');
    expect(join(base, hearer, receiver).messages['a']!.content).toBe('one two');
  });
});
