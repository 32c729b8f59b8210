import { describe, expect, it } from 'vitest';

import { curvesOf } from '../../src/pages/Training';

describe('curves of a stage', () => {
  it('come with the main ones first, without gaps, and without those that never change', () => {
    const curves = { name: 'r', stage: 's', columns: ['rate', 'step', 'kl', 'reward', 'families.add'], rows: [[1, 10, 0, 0.5, null], [2, 20, 0, 0.7, 0.1], [3, 30, 0, null, 0.2]], samples: [] };
    expect(curvesOf(curves)).toEqual([
      { name: 'reward', main: true, points: [[10, 0.5], [20, 0.7]] },
      { name: 'rate', main: false, points: [[10, 1], [20, 2], [30, 3]] },
      { name: 'families.add', main: false, points: [[20, 0.1], [30, 0.2]] },
    ]);
  });
});
