import { afterEach, describe, expect, it } from 'vitest';

import { ServerError } from '../../src/api/client';
import { explain } from '../../src/i18n/explain';
import { set } from '../../src/state/settings';
import { fitting } from '../../src/state/storage';
import { newConversation } from '../../src/state/tree';

describe('what went wrong', () => {
  afterEach(() => set('language', 'auto'));
  it('is said in the language of the reader where the app knows it', () => {
    set('language', 'zh');
    expect(explain(new ServerError(0, 'unreachable'))).toBe('无法连接服务器。');
    expect(explain(new ServerError(401, 'x', 'invalid_login'))).toBe('用户名或密码错误。');
    expect(explain(new ServerError(402, 'x'))).toBe('余额不足。');
    expect(explain(new ServerError(429, 'x', '', 95))).toBe('请求太频繁。 请在 1 分 35 秒 后重试。');
    expect(explain(new ServerError(404, 'x', 'conversation_not_found'))).toBe('服务器上已没有此内容。');
    expect(explain(new ServerError(422, 'temperature: at most 2'))).toBe('服务器拒绝了请求：temperature: at most 2');
    expect(explain(new ServerError(403, 'for admins', 'forbidden'))).toBe('服务器不允许此操作：for admins');
    set('language', 'en');
    expect(explain(new ServerError(413, 'x'))).toContain('more than the server takes');
    expect(explain(new ServerError(422, 'temperature: at most {2}'))).toBe('temperature: at most {2}');
    expect(explain(new ServerError(503, 'x', '', 3))).toBe('The server is full. Again in 3.0 s.');
    expect(explain(new ServerError(400, 'x', 'context_length_exceeded'))).toContain('longer than');
    expect(explain(new ServerError(500, 'in its own words'))).toBe('The server failed: in its own words');
    expect(explain(new Error('ours'))).toBe('ours');
  });
});

describe('a conversation for the server', () => {
  it('leaves the oldest traces behind where it is too large with them', () => {
    const trace = { thinking: [], answer: Array.from({ length: 50 }, () => ({ token: 'x', logprob: -0.1 })) };
    const c = newConversation(1);
    for (const [id, created] of [['a', 1], ['b', 2], ['c', 3]] as const) c.messages[id] = { id, parent: null, role: 'assistant', content: id, created, trace };
    expect(fitting(c)).toBe(c);
    const size = JSON.stringify(c).length;
    const slim = fitting(c, size - 100);
    expect(['a', 'b', 'c'].map((id) => slim.messages[id]?.trace !== undefined)).toEqual([false, true, true]);
    expect(slim.messages.a?.content).toBe('a');
    expect(Object.values(fitting(c, 10).messages).some((m) => m.trace)).toBe(false);
    expect(c.messages.a?.trace).toBe(trace);
  });
});
