import { describe, expect, it } from 'vitest';

import { BlockSplitter, MAX_BLOCK, splitBlocks } from '../../src/text/blocks';

const sources = (text: string) => splitBlocks(text).map((b) => b.source);

function inPieces(text: string, size: number): string[] {
  const splitter = new BlockSplitter();
  for (let at = 0; at < text.length; at += size) splitter.push(text.slice(at, at + size));
  return splitter.blocks.map((b) => b.source).filter((s) => s.trim());
}

describe('splitBlocks', () => {
  it('ends a paragraph at a blank line', () => {
    expect(sources('one\ntwo\n\nthree')).toEqual(['one\ntwo', 'three']);
  });
  it('keeps a fence whole, blank lines inside it too', () => {
    expect(sources('```js\na\n\nb\n```\nafter')).toEqual(['```js\na\n\nb\n```', 'after']);
  });
  it('lets a fence interrupt a paragraph', () => {
    expect(sources('text\n```\na\n```')).toEqual(['text', '```\na\n```']);
  });
  it('keeps a loose list whole, and what is indented below its items', () => {
    expect(sources('1. a\n\n   more\n\n2. b\n\nafter')).toEqual(['1. a\n\n   more\n\n2. b', 'after']);
  });
  it('keeps a fence inside a list item in its list', () => {
    expect(sources('1. a\n   ```\n   x\n   ```\n2. b\n\nafter')).toEqual(['1. a\n   ```\n   x\n   ```\n2. b', 'after']);
  });
  it('keeps display math whole', () => {
    expect(sources('$$\na\n\nb\n$$\n\nafter')).toEqual(['$$\na\n\nb\n$$', 'after']);
  });
  it('cuts a fence without end and opens it again', () => {
    const blocks = splitBlocks('```py\n' + 'x = 1\n'.repeat(3000));
    expect(blocks.length).toBeGreaterThan(2);
    for (const block of blocks.slice(1)) {
      expect(block.continued).toBe(true);
      expect(block.source.startsWith('```py\n')).toBe(true);
      expect(block.source.length).toBeLessThan(MAX_BLOCK + 100);
    }
    const lines = blocks.flatMap((b) => b.source.split('\n')).filter((l) => l === 'x = 1');
    expect(lines.length).toBe(3000);
  });
  it('cuts a table without end and repeats its head', () => {
    const blocks = splitBlocks('| a | b |\n| - | - |\n' + '| 1 | 2 |\n'.repeat(4000));
    expect(blocks.length).toBeGreaterThan(2);
    expect(blocks[1]!.source.startsWith('| a | b |\n| - | - |\n| 1 | 2 |')).toBe(true);
    expect(blocks.flatMap((b) => b.source.split('\n')).filter((l) => l === '| 1 | 2 |').length).toBe(4000);
  });
  it('cuts a line without end, never inside a character', () => {
    const blocks = splitBlocks('😀'.repeat(10_000));
    expect(blocks.length).toBeGreaterThan(2);
    for (const block of blocks) expect(block.source).not.toMatch(/[\ud800-\udbff]$/);
    expect(blocks.map((b) => b.source).join('').replaceAll('\n', '')).toBe('😀'.repeat(10_000));
  });
});

describe('BlockSplitter', () => {
  const texts = [
    '# Head\n\nSome *text* here.\n\n1. one\n\n2. two\n   - inner\n\n\n> quote\n> more\n\n```c\nint main() {\n\n}\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n$$\nx^2\n$$\nend',
    'a\n\n\n\nb\n\n- x\n\n\ty\n\n- z\n\nc',
    '~~~\n```\n~~~\n\ntext\n\n    indented\n\nmore',
  ];
  it('gives the same blocks however the text is cut into pieces', () => {
    for (const text of texts) for (const size of [1, 2, 3, 7, 50]) expect(inPieces(text, size)).toEqual(sources(text));
  });
  it('never changes a block but the last', () => {
    for (const text of texts) {
      const splitter = new BlockSplitter();
      let seen: string[] = [];
      for (const letter of text) {
        splitter.push(letter);
        const now = splitter.blocks.map((b) => b.source);
        // What was followed by another block stays as it was.
        expect(now.slice(0, Math.max(0, seen.length - 1))).toEqual(seen.slice(0, -1));
        seen = now;
      }
    }
  });
});
