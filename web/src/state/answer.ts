// An answer on its way: asks the server, gathers what comes, shows it once a frame, survives a broken connection and a
// reload (the server keeps a resumable answer for a while), and can be stopped, or told to stop thinking and answer.
import { signal } from '@preact/signals';

import { api, type ChatFrame, type ChatQuery, ServerError } from '../api/client';
import type { Passage, TokenLogprob, Usage, WireMessage } from '../api/types';
import { t } from '../i18n';
import { explain } from '../i18n/explain';
import { withFiles, withPassages } from '../files/templates';
import { change, conversations, current, flush, go, model, online, put, say } from './app';
import { settings } from './settings';
import { inTurn, tell } from './tabs';
import { add, type Attachment, type Conversation, type Message, newId, path, remove, titleFrom, type TokenTrace, update } from './tree';

export interface Run {
  conversation: string;
  message: string;
  phase: 'waiting' | 'thinking' | 'answer';
  started: number; // performance.now()
  firstToken: number;
  thinkingEnd: number;
  lastToken: number;
  usage?: Usage; // so far; with the glass box
  tokens: number;
  thinkingTokens: number;
  completion: string;
  stopping: boolean;
  reconnecting: boolean;
  elsewhere?: boolean; // another window receives it, and tells
}

/** By id of the answer's message. */
export const runs = signal<Record<string, Run>>({});
/** Changes when the traces (which grow in place) have grown. */
export const traceVersion = signal(0);

const aborts = new Map<string, AbortController>();

/** Whether it is this window that receives the answer. */
export function isOurs(message: string): boolean {
  return aborts.has(message);
}

export function runOf(conversation: string): Run | undefined {
  return Object.values(runs.value).find((r) => r.conversation === conversation);
}

function setRun(id: string, by: Partial<Run>): void {
  const run = runs.value[id];
  if (run) runs.value = { ...runs.value, [id]: { ...run, ...by } };
}

export function forgetRun(id: string): void {
  const rest = { ...runs.value };
  delete rest[id];
  runs.value = rest;
}

/** To the other windows: how far an answer of this one is. The tokens' probabilities come when it is kept. */
export function tellLive(id: string): void {
  const run = runs.value[id];
  const message = run && conversations.value[run.conversation]?.messages[id];
  if (!message) return;
  const { trace: _trace, ...rest } = message;
  tell({ kind: 'live', conversation: run.conversation, message: rest, run: message.state === 'streaming' ? run : null, origin: performance.timeOrigin });
}

/** As long as an answer is under way no other window takes it up; where this one goes, the next one does. */
export function whileOurs(id: string, what: () => Promise<void>): Promise<void> {
  return inTurn(`limpid.answer.${id}`, what);
}

const SMALL_CONTEXT = 2048; // tokens: no room for instructions beside passages

/** The messages as the server takes them. Thinking of earlier turns stays out, as R1's template has it. */
export function wireMessages(conversation: Conversation, messages: Message[], today = new Date()): WireMessage[] {
  const out: WireMessage[] = [];
  if (conversation.system.trim()) out.push({ role: 'system', content: conversation.system });
  for (const message of messages) {
    if (message.role === 'assistant') {
      out.push({ role: 'assistant', content: message.content });
      continue;
    }
    let content = message.content;
    if (message.attachments?.length) content = withFiles(content, message.attachments);
    if (message.passages?.length) content = withPassages(content, message.passages as Passage[], today, (model.value?.context_length ?? Infinity) < SMALL_CONTEXT);
    out.push({ role: 'user', content });
  }
  return out;
}

function query(messages: WireMessage[], think: boolean): ChatQuery {
  const chosen = settings.value;
  const thinks = model.value?.thinks ?? true;
  return {
    model: model.value?.id ?? '',
    messages,
    ...(thinks
      ? { thinking: think ? { type: 'enabled' as const, ...(chosen.budgetTokens > 0 ? { budget_tokens: chosen.budgetTokens } : {}) } : { type: 'disabled' as const } }
      : {}),
    ...(thinks && think ? { reasoning_effort: chosen.effort } : {}),
    ...(chosen.temperature === null ? {} : { temperature: chosen.temperature }),
    ...(chosen.topP === null ? {} : { top_p: chosen.topP }),
    ...(chosen.maxTokens > 0 ? { max_tokens: chosen.maxTokens } : {}),
    ...(chosen.glass ? { logprobs: true, top_logprobs: 8, experts: true } : {}),
  };
}

interface Start {
  thinking?: string;
  thinkingDone?: boolean;
  content?: string;
  trace?: TokenTrace;
}

/** Asks for an answer below the leaf of the conversation. `start`: an answer's beginning that is to be continued. */
export function answer(conversation: Conversation, think: boolean, start?: Start): void {
  const asked = path(conversation);
  const message: Message = {
    id: newId(),
    parent: conversation.leaf,
    role: 'assistant',
    content: start?.content ?? '',
    ...(start?.thinking !== undefined ? { thinking: start.thinking } : {}),
    created: Date.now(),
    model: model.value?.id ?? '',
    state: 'streaming',
    trace: start?.trace ?? { thinking: [], answer: [] },
  };
  put(add(conversation, message));
  go(`#/c/${conversation.id}`);
  const wire = wireMessages(conversation, asked);
  if (start) {
    wire.push({
      role: 'assistant',
      content: start.content ?? '',
      ...(start.thinking !== undefined ? { reasoning_content: start.thinking } : {}),
      prefix: true,
    });
  }
  begin(conversation.id, message);
  const abort = aborts.get(message.id) as AbortController;
  const under = follow(conversation.id, message, () => api.chat(query(wire, think), abort.signal));
  void whileOurs(message.id, () => under);
  void flush();
}

function begin(conversation: string, message: Message): void {
  aborts.set(message.id, new AbortController());
  runs.value = {
    ...runs.value,
    [message.id]: {
      conversation,
      message: message.id,
      phase: 'waiting',
      started: performance.now(),
      firstToken: 0,
      lastToken: 0,
      thinkingEnd: 0,
      tokens: 0,
      thinkingTokens: 0,
      completion: message.resume?.completion ?? '',
      stopping: false,
      reconnecting: false,
    },
  };
}

/** Gathers pieces and shows them once a frame (or a few times a second where the page is hidden). */
class Gatherer {
  thinking: string;
  content: string;
  trace: TokenTrace;
  usage: Usage | undefined;
  perSecond: number | undefined; // as the server says
  finish: string | undefined;
  eventId = '';
  private scheduled = false;

  constructor(
    private readonly conversation: string,
    private readonly message: Message,
  ) {
    this.thinking = message.thinking ?? '';
    this.content = message.content;
    this.trace = message.trace ?? { thinking: [], answer: [] };
  }

  take({ eventId, chunk }: ChatFrame): void {
    const run = runs.value[this.message.id];
    if (!run) return;
    if (eventId) this.eventId = eventId;
    const choice = chunk.choices[0];
    const changes: Partial<Run> = {};
    if (chunk.usage) this.usage = changes.usage = chunk.usage;
    if (chunk.timings?.predicted_per_second) this.perSecond = chunk.timings.predicted_per_second;
    if (chunk.id && run.completion !== chunk.id) changes.completion = chunk.id;
    if (run.reconnecting) changes.reconnecting = false;
    if (choice) {
      const { reasoning_content: thought, content } = choice.delta;
      if (thought || content) {
        changes.tokens = run.tokens + 1;
        changes.lastToken = performance.now();
        if (!run.firstToken) changes.firstToken = changes.lastToken;
      }
      if (thought) {
        this.thinking += thought;
        changes.phase = 'thinking';
        changes.thinkingTokens = run.thinkingTokens + 1;
      }
      if (content) {
        this.content += content;
        changes.phase = 'answer';
        if (run.phase === 'thinking') changes.thinkingEnd = performance.now();
      }
      if (choice.logprobs?.reasoning_content) this.trace.thinking.push(...choice.logprobs.reasoning_content);
      if (choice.logprobs?.content) this.trace.answer.push(...choice.logprobs.content);
      const { experts, content_was_reasoning: wasThinking } = choice.limpid ?? {};
      if (experts) (this.trace.experts ??= []).push(...experts.map((token) => token.layers.map((layer) => layer.ids)));
      if (wasThinking) {
        // There was a </think> without any <think>: what came so far was thinking.
        this.thinking += this.content;
        this.content = '';
        this.trace.thinking.push(...this.trace.answer.splice(0));
      }
      if (choice.finish_reason) this.finish = choice.finish_reason;
    }
    if (Object.keys(changes).length) setRun(this.message.id, changes);
    this.schedule();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    const show = () => {
      this.scheduled = false;
      this.show(false);
    };
    if (document.hidden) setTimeout(show, 400);
    // Long answers are laid out less often: nobody reads thirty changes a second.
    else if (this.content.length + this.thinking.length > 8000) setTimeout(() => requestAnimationFrame(show), 60);
    else requestAnimationFrame(show);
  }

  show(save: boolean): void {
    const run = runs.value[this.message.id];
    if (!run) return;
    traceVersion.value += 1;
    change(
      this.conversation,
      (c) =>
        update(c, this.message.id, {
          content: this.content,
          ...(this.thinking ? { thinking: this.thinking } : {}),
          trace: this.trace,
          ...(run.completion ? { resume: { completion: run.completion, event: this.eventId } } : {}),
        }),
      save,
    );
    if (this.tellsNow()) tellLive(this.message.id);
    if (this.savesNow()) {
      change(this.conversation, (c) => c, true);
      void flush();
    }
  }

  private lastTold = 0;
  private tellsNow(): boolean {
    // The whole text is told each time: a long one less often.
    const now = performance.now();
    if (now - this.lastTold < (this.content.length + this.thinking.length > 8000 ? 600 : 150)) return false;
    this.lastTold = now;
    return true;
  }

  private lastSave = 0;
  private savesNow(): boolean {
    // A whole conversation is written: often enough for a reload, not with every frame.
    const now = performance.now();
    if (now - this.lastSave < 1000) return false;
    this.lastSave = now;
    return true;
  }
}

async function follow(conversation: string, message: Message, ask: () => AsyncGenerator<ChatFrame>): Promise<void> {
  const abort = aborts.get(message.id) as AbortController;
  const gathered = new Gatherer(conversation, message);
  let error: unknown;
  try {
    for await (const frame of ask()) gathered.take(frame);
  } catch (problem) {
    error = await recover(message.id, gathered, abort, problem);
  }
  await finish(conversation, message, gathered, abort.signal.aborted ? undefined : error);
}

/** The connection broke: the rest of the answer is asked for, with growing pauses. Gives the error that remains. */
async function recover(id: string, gathered: Gatherer, abort: AbortController, problem: unknown): Promise<unknown> {
  for (let attempt = 0; attempt < 8; attempt += 1) {
    const run = runs.value[id];
    if (abort.signal.aborted || !run?.completion || !gathered.eventId) return problem;
    if (!(problem instanceof ServerError) || !problem.unreachable) return problem;
    setRun(id, { reconnecting: true });
    tellLive(id);
    await new Promise((wake) => setTimeout(wake, Math.min(250 * 2 ** attempt, 4000)));
    if (abort.signal.aborted) return undefined;
    try {
      for await (const frame of api.resume(run.completion, gathered.eventId, abort.signal)) gathered.take(frame);
      return undefined;
    } catch (again) {
      problem = again;
    }
  }
  return problem;
}

async function finish(conversation: string, message: Message, gathered: Gatherer, error: unknown): Promise<void> {
  const run = runs.value[message.id];
  gathered.show(false);
  const end = performance.now();
  const aborted = aborts.get(message.id)?.signal.aborted ?? false;
  const state = error ? 'failed' : aborted || gathered.finish === 'cancelled' ? 'stopped' : gathered.finish === 'length' ? 'length' : 'done';
  const decode = run && run.firstToken ? (end - run.firstToken) / 1000 : 0;
  // How fast it was written, not how fast it came: a slow line, or an answer that is taken up again, says nothing of the model.
  const tokens = gathered.usage?.completion_tokens ?? run?.tokens ?? 0;
  change(conversation, (c) => {
    const here = c.messages[message.id];
    if (!here) return c; // deleted while it came
    const { resume: _resume, ...rest } = here;
    return {
      ...c,
      updated: Date.now(),
      messages: {
        ...c.messages,
        [message.id]: {
          ...rest,
          state,
          ...(error ? { error: explain(error) } : {}),
          figures: {
            ...(gathered.usage ? { usage: gathered.usage } : {}),
            ...(gathered.perSecond ? { tokensPerSecond: gathered.perSecond } : decode > 0 && tokens > 1 ? { tokensPerSecond: (tokens - 1) / decode } : {}),
            ...(run && gathered.thinking ? { thinkingSeconds: ((run.thinkingEnd || end) - run.started) / 1000 } : {}),
            ...(run ? { seconds: (end - run.started) / 1000 } : {}),
          },
        },
      },
    };
  });
  tellLive(message.id);
  aborts.delete(message.id);
  forgetRun(message.id);
  if (error instanceof ServerError && error.unreachable) online.value = false;
  await flush();
}

export function stop(message: string): void {
  const run = runs.value[message];
  if (!run) return;
  if (run.elsewhere) return tell({ kind: 'stop', message });
  if (run.completion) void api.control(run.completion, 'cancel').catch(() => undefined);
  aborts.get(message)?.abort();
}

export function stopAll(): void {
  for (const id of Object.keys(runs.value)) stop(id);
}

export function stopThinking(message: string): void {
  const run = runs.value[message];
  if (!run?.completion || run.stopping) return;
  setRun(message, { stopping: true });
  api.control(run.completion, 'stop_thinking').catch((error: unknown) => {
    setRun(message, { stopping: false });
    // It has ended there, and is on its way: nothing to say.
    if (!(error instanceof ServerError && (error.status === 409 || error.status === 404))) say(explain(error), 'error');
  });
}

// --- What a reader does ---

export interface Question {
  text: string;
  attachments: Attachment[];
  think: boolean;
  search: boolean;
}

const PASSAGES_SHARE = 0.6; // of the context, with the conversation: the rest is for thinking and answer

/** The best passages for a question, as many as leave room for an answer; where not even one does, its beginning. */
export async function passagesFor(text: string, conversation: Conversation): Promise<NonNullable<Message['passages']>> {
  let found = (await api.search(text)).map(({ number, file, title, text: words }) => ({ number, file, title, text: words }));
  const chosen = model.value;
  const room = (chosen?.context_length ?? 0) * PASSAGES_SHARE;
  if (!chosen || !room) return found;
  for (let attempt = 0; attempt < 8 && found.length; attempt += 1) {
    const question: Message = { id: '', parent: null, role: 'user', content: text, passages: found, created: 0 };
    const count = await api.countTokens(chosen.id, wireMessages(conversation, [...path(conversation), question]));
    if (count <= room) return found;
    const part = room / count;
    const [best] = found;
    if (found.length > 1) found = found.slice(0, Math.max(1, Math.min(found.length - 1, Math.floor(found.length * part))));
    else if (best && best.text.length > 80) found = [{ ...best, text: `${best.text.slice(0, Math.floor(best.text.length * part * 0.8))} …` }];
    else return [];
  }
  return found;
}

/** Adds a question below `parent` (the leaf where not given) and asks for its answer. */
export async function askQuestion(question: Question, parent?: string | null): Promise<void> {
  let conversation = current.value;
  if (parent !== undefined) conversation = { ...conversation, leaf: parent };
  let passages: Message['passages'];
  if (question.search) {
    try {
      passages = await passagesFor(question.text, conversation);
      if (!passages.length) say(t('noPassages'));
    } catch (error) {
      say(explain(error), 'error');
    }
  }
  const message: Message = {
    id: newId(),
    parent: conversation.leaf,
    role: 'user',
    content: question.text,
    ...(question.attachments.length ? { attachments: question.attachments } : {}),
    ...(passages?.length ? { passages } : {}),
    created: Date.now(),
  };
  if (!conversation.titled && !conversation.title) conversation = { ...conversation, title: titleFrom(question.text || question.attachments[0]?.name || '') };
  answer(add(conversation, message), question.think);
}

/** Another answer beside this one. */
export function regenerate(id: string, think = settings.value.think): void {
  const conversation = current.value;
  const message = conversation.messages[id];
  if (message?.role === 'assistant') answer({ ...conversation, leaf: message.parent }, think);
}

/** Goes on where an answer ended: the same text is the beginning of a new branch. */
export function continueAnswer(id: string): void {
  const conversation = current.value;
  const message = conversation.messages[id];
  if (message?.role !== 'assistant') return;
  const inThinking = !message.content && message.thinking !== undefined;
  answer({ ...conversation, leaf: message.parent }, message.thinking !== undefined, {
    ...(message.thinking !== undefined ? { thinking: message.thinking, thinkingDone: !inThinking } : {}),
    content: message.content,
  });
}

/** The thinking was edited: it goes on from there, or, `done`, the answer follows at once. */
export function continueFromThinking(id: string, thinking: string, done: boolean): void {
  const conversation = current.value;
  const message = conversation.messages[id];
  if (message?.role !== 'assistant') return;
  answer({ ...conversation, leaf: message.parent }, true, { thinking: done ? thinking.trimEnd() + '\n' : thinking, thinkingDone: done, content: '' });
}

/** Another token instead of the one at `index` of the answer or the thinking; the model goes on behind it. */
export function branchFromToken(id: string, part: 'thinking' | 'answer', index: number, token: TokenLogprob): void {
  const conversation = current.value;
  const message = conversation.messages[id];
  const trace = message?.trace;
  if (!message || !trace) return;
  const kept = [...trace[part].slice(0, index), token];
  const text = kept.map((t) => t.token).join('');
  const before = { ...conversation, leaf: message.parent };
  if (part === 'thinking') answer(before, true, { thinking: text, thinkingDone: false, content: '', trace: { thinking: kept, answer: [] } });
  else
    answer(before, message.thinking !== undefined, {
      ...(message.thinking !== undefined ? { thinking: message.thinking, thinkingDone: true } : {}),
      content: text,
      trace: { thinking: [...trace.thinking], answer: kept },
    });
}

/** A message and what hangs below it go, and what is under way there ends. */
export function removeMessage(id: string): void {
  const before = current.value;
  const after = remove(before, id);
  for (const gone of Object.keys(before.messages)) if (!after.messages[gone]) stop(gone);
  change(before.id, () => after);
}

/** After a reload, or when the window that received it is gone: what the server still has goes on; else it is lost. */
export async function takeUp(conversation: string, message: Message): Promise<void> {
  if (isOurs(message.id)) return;
  const { resume } = message;
  begin(conversation, message);
  const abort = aborts.get(message.id) as AbortController;
  if (resume) await follow(conversation, message, () => api.resume(resume.completion, resume.event, abort.signal));
  else await finish(conversation, message, new Gatherer(conversation, message), new Error('lost'));
}
