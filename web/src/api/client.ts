// The one place that talks to the server. Paths are relative, so that the app works below any address; nothing else is
// ever asked. Errors carry the server's own words.
import { serverEvents } from './sse';
import type { AppInfo, ChatChunk, Folder, ListedModel, ModelInfo, Passage, PlannedModel, PullState, RunCurves, TrainingRun, WireMessage } from './types';

export class ServerError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code = '',
    readonly retryAfter = 0,
  ) {
    super(message);
  }
  /** No answer at all: the server is not there, or the network is not. */
  get unreachable(): boolean {
    return this.status === 0;
  }
}

/** Is called where the server no longer knows who asks. */
export const signedOut = { tell: () => undefined as void };

let csrf = '';
export function useCsrf(token: string): void {
  csrf = token;
}

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (csrf && init.method && init.method !== 'GET') headers.set('X-CSRF-Token', csrf);
  if (init.body && !headers.has('Content-Type')) headers.set('Content-Type', 'application/json');
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers, credentials: 'same-origin' });
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error;
    throw new ServerError(0, 'unreachable');
  }
  if (response.ok) return response;
  let message = `${response.status} ${response.statusText}`;
  let code = '';
  try {
    const body = (await response.json()) as { error?: { message?: string; code?: string } };
    message = body.error?.message ?? message;
    code = body.error?.code ?? '';
  } catch {
    // not JSON: the status says it
  }
  if (response.status === 401 && code !== 'invalid_login') signedOut.tell();
  throw new ServerError(response.status, message, code, Number(response.headers.get('Retry-After') ?? 0));
}

async function json<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await ask(path, init);
  return (response.status === 204 ? null : await response.json()) as T;
}
const body = (method: string, value: unknown): RequestInit => ({ method, body: JSON.stringify(value) });

export interface ChatQuery {
  model: string;
  messages: WireMessage[];
  thinking?: { type: 'enabled' | 'disabled'; budget_tokens?: number; budget_seconds?: number };
  reasoning_effort?: string;
  temperature?: number;
  top_p?: number;
  max_tokens?: number;
  seed?: number;
  logprobs?: boolean;
  top_logprobs?: number;
  experts?: boolean;
}

export type ChatFrame = { eventId: string; chunk: ChatChunk };

async function* frames(response: Response): AsyncGenerator<ChatFrame> {
  if (!response.body) throw new ServerError(0, 'unreachable');
  let finished = false;
  try {
    for await (const event of serverEvents(response.body)) {
      if (event.data === '[DONE]') {
        finished = true;
        return;
      }
      const chunk = JSON.parse(event.data) as ChatChunk;
      if (chunk.error) throw new ServerError(500, chunk.error.message, chunk.error.code);
      yield { eventId: event.id, chunk };
    }
  } catch (error) {
    if (error instanceof ServerError || (error as Error).name === 'AbortError') throw error;
    throw new ServerError(0, 'unreachable');
  }
  if (!finished) throw new ServerError(0, 'unreachable');
}

function modelInfo({ id, limpid = {} }: ListedModel): ModelInfo {
  const { context, stands_for: _alias, ...rest } = limpid;
  return { id, ...rest, ...(context ? { context_length: context } : {}) };
}

export const api = {
  info: () => json<AppInfo>('api/app'),
  models: async () => (await json<{ data: ListedModel[] }>('v1/models')).data.filter((m) => !m.limpid?.stands_for).map(modelInfo),
  plan: async () => (await json<{ models: PlannedModel[] }>('api/plan')).models,
  machine: () => json<{ process_bytes: number; available_bytes: number }>('api/machine'),
  pulls: async () => (await json<{ pulls: PullState[] }>('api/pulls')).pulls,
  pull: (name: string) => json<PullState>('api/pulls', body('POST', { name })),
  cancelPull: (name: string) => ask(`api/pulls/${encodeURIComponent(name)}`, { method: 'DELETE' }),

  async *chat(query: ChatQuery, signal: AbortSignal): AsyncGenerator<ChatFrame> {
    const { experts, ...rest } = query;
    const prefix = query.messages[query.messages.length - 1]?.prefix === true;
    const response = await ask(prefix ? 'beta/chat/completions' : 'v1/chat/completions', {
      ...body('POST', { ...rest, stream: true, stream_options: { include_usage: true, ...(experts ? { continuous_usage_stats: true } : {}) }, resumable: true, ...(experts ? { limpid: { experts: true } } : {}) }),
      signal,
    });
    yield* frames(response);
  },
  /** The rest of a stream that broke: events behind the last one that was seen. */
  async *resume(id: string, lastEventId: string, signal: AbortSignal): AsyncGenerator<ChatFrame> {
    yield* frames(await ask(`v1/chat/completions/${encodeURIComponent(id)}/stream`, { headers: { 'Last-Event-ID': lastEventId }, signal }));
  },
  control: (id: string, action: 'stop_thinking' | 'cancel') => ask(`v1/chat/completions/${encodeURIComponent(id)}/control`, body('POST', { action })),

  countTokens: async (model: string, messages: WireMessage[], signal?: AbortSignal) =>
    (await json<{ count: number }>('tokenize', { ...body('POST', { model, messages, count_only: true }), ...(signal ? { signal } : {}) })).count,

  conversations: async () => (await json<{ conversations: { id: string; updated: number; title: string; bytes: number }[] }>('api/conversations')).conversations,
  conversation: (id: string) => json<{ id: string; updated: number; body: unknown }>(`api/conversations/${id}`),
  /** `replaces`: the version that was read; 0: there was none. */
  saveConversation: (id: string, updated: number, replaces: number, value: unknown) => ask(`api/conversations/${id}`, body('PUT', { updated, replaces, body: value })),
  deleteConversation: (id: string) => ask(`api/conversations/${id}`, { method: 'DELETE' }),

  folders: async () => (await json<{ folders: Folder[] }>('api/folders')).folders,
  addFolder: (path: string) => json<Folder>('api/folders', body('POST', { path })),
  removeFolder: (id: string) => ask(`api/folders/${id}`, { method: 'DELETE' }),
  search: async (query: string, limit = 8) =>
    (await json<{ passages: Passage[] }>(`api/search?q=${encodeURIComponent(query)}&limit=${limit}`)).passages,

  runs: async () => (await json<{ runs: TrainingRun[] }>('api/runs')).runs,
  curves: (run: string, stage: string) => json<RunCurves>(`api/runs/${encodeURIComponent(run)}/${encodeURIComponent(stage)}`),

  signIn: (name: string, password: string) => json<{ csrf_token: string; waiting: { place: number } | null }>('api/login', body('POST', { name, password })),
  signUp: (name: string, password: string, code: string) => json<{ waiting: { place: number } | null }>('api/signup', body('POST', { name, password, ...(code ? { code } : {}) })),
  get: <T>(path: string) => json<T>(path),
  send: <T>(method: string, path: string, value?: unknown) => json<T>(path, value === undefined ? { method } : body(method, value)),
};
