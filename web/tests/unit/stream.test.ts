import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { serverEvents } from '../../src/api/sse';
import { columns } from '../../src/glass/Strip';
import { countExperts, mostChosen } from '../../src/glass/ExpertMap';
import { thin } from '../../src/glass/Chart';
import { publicCost } from '../../src/glass/Figures';
import { phraseTokens } from '../../src/glass/focus';
import { joinTokens, level, readable } from '../../src/glass/tokens';
import { withFiles, withPassages } from '../../src/files/templates';
import { decodeText } from '../../src/files/read';
import { languageOf, number, t } from '../../src/i18n';
import { goodAt, whyTooLarge } from '../../src/i18n/describe';
import { en } from '../../src/i18n/en';
import { zh } from '../../src/i18n/zh';
import { pieces, spokenText } from '../../src/text/spoken';
import { DEFAULTS, readSettings, set } from '../../src/state/settings';

function stream(bytes: Uint8Array, size: number): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
      controller.close();
    },
  });
}

describe('serverEvents', () => {
  it('gives whole events however the bytes come', async () => {
    const text = ': keep-alive\n\nid: 1\ndata: {"a":"é漢"}\n\nid: 2\r\nevent: x\r\ndata: one\r\ndata: two\r\n\r\ndata: [DONE]\n\n';
    for (const size of [1, 2, 5, 1000]) {
      const out = [];
      for await (const event of serverEvents(stream(new TextEncoder().encode(text), size))) out.push(event);
      expect(out).toEqual([
        { id: '1', event: '', data: '{"a":"é漢"}' },
        { id: '2', event: 'x', data: 'one\ntwo' },
        { id: '2', event: '', data: '[DONE]' },
      ]);
    }
  });
});

describe('glass box', () => {
  it('joins tokens that share a character', () => {
    const bytes = [...new TextEncoder().encode('漢')];
    const shown = joinTokens([
      { token: 'a', logprob: -0.1, bytes: [97] },
      { token: '\ufffd', logprob: -3, bytes: bytes.slice(0, 2) },
      { token: '\ufffd', logprob: -0.1, bytes: bytes.slice(2) },
      { token: 'b', logprob: 0, bytes: [98] },
    ]);
    expect(shown.map((s) => [s.text, s.first, s.last])).toEqual([['a', 0, 0], ['漢', 1, 2], ['b', 3, 3]]);
    expect(shown[1]!.surprise).toBeCloseTo(3 / Math.LN2);
  });
  it('shows bytes that never become a character', () => {
    expect(joinTokens([{ token: 'x', logprob: 0, bytes: [0xff] }]).map((s) => s.text)).toEqual(['\ufffd']);
  });
  it('leaves marks and white space at the ends out of what is read', () => {
    const tokens = ['\n', 'a', ' ', 'b', '\n', '</think>', '<｜end▁of▁sentence｜>'].map((token) => ({ token, logprob: 0, bytes: [...new TextEncoder().encode(token)] }));
    expect(readable(joinTokens(tokens)).map((t) => t.text)).toEqual(['a', ' ', 'b']);
  });
  it('grades surprise', () => {
    expect([0, 0.3, 1, 2, 4, 9].map(level)).toEqual([0, 1, 2, 3, 4, 5]);
  });
  it('keeps the largest surprise of a column', () => {
    expect(columns([0, -Math.LN2, 0, -2 * Math.LN2], 2)).toEqual([1, 2]);
  });
  it('counts experts', () => {
    expect(countExperts([[[0, 1], [1, 2]], [[0, 2], [0, 1]]], 2, 3)).toEqual([[2, 1, 1], [1, 2, 1]]);
  });
  it('thins curves without losing their end', () => {
    const points = Array.from({ length: 1000 }, (_v, i): [number, number] => [i, i]);
    expect(thin(points, 100).length).toBe(100);
    expect(thin(points, 100)[99]![0]).toBe(999);
  });
  it('knows what a public API would charge', () => {
    expect(publicCost({ prompt_tokens: 1000, completion_tokens: 500, prompt_cache_hit_tokens: 400 }, { input: 1, cached: 0.1, output: 2 })).toBeCloseTo(0.00164);
  });
});

describe('words', () => {
  it('are the same in both languages, values included', () => {
    for (const [key, text] of Object.entries(en)) {
      const other = zh[key as keyof typeof en];
      expect(other).toBeTruthy();
      const values = (words: string) => [...words.matchAll(/\{(\w+)(?:, [^,}]+, [^,}]+)?\}/g)].map(([, name]) => name).sort();
      expect(values(other)).toEqual(values(text));
      expect(text.match(/\{/g)?.length ?? 0).toBe(values(text).length);
    }
  });
  it('go with their number', () => {
    expect(t('indexed', { files: number(1), passages: number(2) })).toBe('1 file, 2 passages');
    expect(t('characters', { n: number(1001) })).toBe('1,001 characters');
    expect(t('contextOf', { n: 1, all: 2 })).toBe('1 of 2 tokens');
  });
  it('say in both languages what every model of the catalogue is good at, and why one does not fit', () => {
    const catalogue = JSON.parse(readFileSync('../src/hub/catalogue.json', 'utf8')) as { models: { reasoning?: { good_at: string } }[] };
    const all = catalogue.models.flatMap((m) => m.reasoning?.good_at ?? []);
    expect(all.length).toBeGreaterThan(5);
    expect(all.map(goodAt)).toEqual(all);
    expect(whyTooLarge('needs 404.43 GB of memory, 16.00 GB are there')).toBe('needs 404.43 GB of memory, 16.00 GB there');
    set('language', 'zh');
    for (const words of all) expect(goodAt(words)).toMatch(/[\u4e00-\u9fff]/);
    expect(whyTooLarge('needs 9.0 GB of disk, 1.0 GB are free')).toBe('需要 9.0 GB 磁盘空间，可用 1.0 GB');
    expect(whyTooLarge('anything else')).toBe('anything else');
    set('language', 'auto');
  });
  it('follow the browser until a language is chosen', () => {
    expect(languageOf('auto', ['zh-TW', 'en'])).toBe('zh');
    expect(languageOf('auto', ['fr'])).toBe('en');
    expect(languageOf('zh', ['en'])).toBe('zh');
  });
});

describe('files', () => {
  it('stand in the prompt between the marks that the models know', () => {
    expect(withFiles('why?', [{ name: 'a.txt', type: 'text', text: 'A' }])).toBe('[file name]: a.txt\n[file content begin]\nA\n[file content end]\nwhy?');
  });
  it('of a search carry their numbers, in the language of the question', () => {
    const passage = { number: 2, file: 'b.md', title: 'B', text: 'text' };
    expect(withPassages('why?', [passage], new Date(2026, 0, 2))).toContain('[webpage 2 begin]\nb.md: B\ntext\n[webpage 2 end]');
    expect(withPassages('why?', [passage], new Date(), true)).toBe('[webpage 2 begin]\nb.md: B\ntext\n[webpage 2 end]\nwhy?');
    expect(withPassages('为什么？', [passage], new Date(2026, 0, 2))).toContain('2026年1月2日');
  });
  it('are decoded whatever their encoding', () => {
    expect(decodeText(new TextEncoder().encode('漢字'))).toBe('漢字');
    expect(decodeText(new Uint8Array([0xff, 0xfe, 0x41, 0x00]))).toBe('A');
    expect(decodeText(new Uint8Array([0xc4, 0xe3, 0xba, 0xc3]))).toBe('你好');
  });
});

describe('settings', () => {
  it('survive nonsense', () => {
    expect(readSettings('{')).toEqual(DEFAULTS);
    expect(readSettings(null)).toEqual(DEFAULTS);
    const read = readSettings(JSON.stringify({ think: 'yes', temperature: 0.5, presets: {}, model: 'x', extra: 1 }));
    expect(read).toEqual({ ...DEFAULTS, temperature: 0.5, model: 'x' });
  });
});

describe('a phrase', () => {
  const tokens = ['The ', '**big', '**', ' fish', ', the', ' big', ' sea'].map((token) => ({ token, logprob: 0 }));
  it('is found among tokens though marks and white space are gone', () => {
    expect(phraseTokens(tokens, 'big fish', 'The ')).toEqual({ from: 1, to: 4 });
    expect(phraseTokens(tokens, 'ig', 'The b')).toEqual({ from: 1, to: 2 });
  });
  it('is the one at its place where there are several', () => {
    expect(phraseTokens(tokens, 'big', 'The big fish, the ')).toEqual({ from: 5, to: 6 });
    expect(phraseTokens(tokens, 'big', 'The ')).toEqual({ from: 1, to: 2 });
    expect(phraseTokens(tokens, 'the', 'The big fish, ')).toEqual({ from: 4, to: 5 });
  });
  it('is nothing where it is nowhere', () => {
    expect(phraseTokens(tokens, 'cat', '')).toBeNull();
    expect(phraseTokens(tokens, '**', '')).toBeNull();
  });
  it('knows its experts, the most used first', () => {
    expect(mostChosen([[[9], [9]], [[1, 2], [3]], [[2, 1], [4]], [[2], [4]]], 1, 4, 2)).toEqual([{ layer: 0, expert: 2, times: 3 }, { layer: 0, expert: 1, times: 2 }]);
  });
});

describe('reading aloud', () => {
  it('says words, not marks, code or tables', () => {
    expect(spokenText('# Title\n\n- one\n- **two**\n\n| a |\n|---|\n| b |\n\n```js\nx\n```\nend[citation:2]')).toBe('Title\none\ntwo\nend');
  });
  it('comes in pieces at the ends of sentences', () => {
    expect(pieces('One. Two! 三。四？')).toEqual(['One. Two! 三。 四？']);
    expect(pieces('Title\nOne.')).toEqual(['Title', 'One.']);
    const long = pieces(`${'word '.repeat(100)}. Next one.`);
    expect(long.length).toBe(3);
    expect(long.every((p) => p.length <= 220)).toBe(true);
  });
});
