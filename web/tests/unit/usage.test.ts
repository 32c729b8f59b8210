import { describe, expect, it } from 'vitest';

import { addMoney, byDay, mergeSessions, type UsageRow } from '../../src/pages/Usage';

const row = (by: Partial<UsageRow>): UsageRow => ({ day: '2026-11-27', key: 'k', model: 'm', requests: 1, prompt_cache_hit_tokens: 2, prompt_cache_miss_tokens: 3, completion_tokens: 4, cost: '0.10', ...by });

describe('usage', () => {
  it('adds amounts to the millionth', () => {
    expect(addMoney(['0.1', '0.2'])).toBe('0.30');
    expect(addMoney(['0.000001', '12.5', '-2.000002'])).toBe('10.499999');
    expect(addMoney([])).toBe('0.00');
    expect(addMoney(['-0.5', '0.25'])).toBe('-0.25');
  });
  it('makes one row of all browser sessions of a day', () => {
    const merged = mergeSessions([row({ key: 'ses_1' }), row({ key: 'ses_2', requests: 2 }), row({}), row({ key: 'ses_1', model: 'n' })]);
    expect(merged.map((r) => [r.key, r.model, r.requests, r.cost])).toEqual([['', 'm', 3, '0.20'], ['k', 'm', 1, '0.10'], ['', 'n', 1, '0.10']]);
  });
  it('has days without use, too', () => {
    expect(byDay([{ day: '2026-11-25', value: 2 }, { day: '2026-11-25', value: 3 }, { day: '2025-01-01', value: 9 }], new Date('2026-11-27T12:00:00Z'), 3)).toEqual([['2026-11-25', 5], ['2026-11-26', 0], ['2026-11-27', 0]]);
  });
});
