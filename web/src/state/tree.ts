// A conversation is a tree: every message hangs below the one that it answers, so an edit or a second answer is a new
// branch and nothing is ever lost. What is shown is the path from the root to `leaf`. Values are never changed in place:
// each function gives a new conversation (with the untouched messages shared), which is what storage and views compare.
import type { TokenLogprob, Usage } from '../api/types';

export interface Attachment {
  name: string;
  type: 'text' | 'pdf';
  text: string;
  pages?: number;
}

export interface TokenTrace {
  /** One entry for each token, in order; thinking first. */
  thinking: TokenLogprob[];
  answer: TokenLogprob[];
  /** Chosen experts of each token: [token][layer] -> expert ids. */
  experts?: number[][][];
}

export interface Figures {
  usage?: Usage;
  tokensPerSecond?: number;
  thinkingSeconds?: number;
  seconds?: number;
}

export interface Message {
  id: string;
  parent: string | null;
  role: 'user' | 'assistant';
  content: string;
  thinking?: string;
  attachments?: Attachment[];
  passages?: { number: number; file: string; title: string; text: string }[];
  created: number;
  model?: string;
  /** Of an answer: still coming, whole, ended by the reader, cut by max_tokens, or broken. */
  state?: 'streaming' | 'done' | 'stopped' | 'length' | 'failed';
  error?: string;
  /** Of a stream that may be taken up again after a reload. */
  resume?: { completion: string; event: string };
  trace?: TokenTrace;
  figures?: Figures;
}

export interface Conversation {
  id: string;
  title: string;
  titled: boolean; // by a person
  created: number;
  updated: number;
  folder: string;
  system: string;
  messages: Record<string, Message>;
  leaf: string | null;
}

export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(9)), (b) => b.toString(36).padStart(2, '0')).join('').slice(0, 16);
}

export function newConversation(now = Date.now()): Conversation {
  return { id: newId(), title: '', titled: false, created: now, updated: now, folder: '', system: '', messages: {}, leaf: null };
}

/** From the first message to the leaf. */
export function path(conversation: Conversation, leaf: string | null = conversation.leaf): Message[] {
  const out: Message[] = [];
  for (let id = leaf; id !== null; ) {
    const message: Message | undefined = conversation.messages[id];
    if (!message || out.length > 100_000) break;
    out.push(message);
    id = message.parent;
  }
  return out.reverse();
}

export function children(conversation: Conversation, parent: string | null): Message[] {
  return Object.values(conversation.messages)
    .filter((m) => m.parent === parent)
    .sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
}

/** The messages among which one can be chosen in place of this one, itself included. */
export function siblings(conversation: Conversation, message: Message): Message[] {
  return children(conversation, message.parent);
}

export function add(conversation: Conversation, message: Message): Conversation {
  return { ...conversation, messages: { ...conversation.messages, [message.id]: message }, leaf: message.id, updated: message.created };
}

export function update(conversation: Conversation, id: string, change: Partial<Message>): Conversation {
  const message = conversation.messages[id];
  if (!message) return conversation;
  return { ...conversation, messages: { ...conversation.messages, [id]: { ...message, ...change } } };
}

/** Shows the branch through `id`: down to the newest leaf below it. */
export function show(conversation: Conversation, id: string): Conversation {
  let leaf = id;
  for (;;) {
    const below = children(conversation, leaf);
    const newest = below[below.length - 1];
    if (!newest) break;
    leaf = newest.id;
  }
  return { ...conversation, leaf };
}

/** Without a message and everything below it; the leaf moves to a sibling or the parent. */
export function remove(conversation: Conversation, id: string): Conversation {
  const gone = conversation.messages[id];
  if (!gone) return conversation;
  const doomed = new Set<string>();
  const stack = [id];
  while (stack.length) {
    const next = stack.pop() as string;
    doomed.add(next);
    for (const child of children(conversation, next)) stack.push(child.id);
  }
  const messages = Object.fromEntries(Object.entries(conversation.messages).filter(([key]) => !doomed.has(key)));
  const rest: Conversation = { ...conversation, messages, updated: Date.now() };
  if (conversation.leaf !== null && !doomed.has(conversation.leaf)) return rest;
  const left = children(rest, gone.parent);
  const sibling = left[left.length - 1];
  return sibling ? show(rest, sibling.id) : { ...rest, leaf: gone.parent };
}

/** A title from the first question: its first line, at most 60 characters, at a word's end. */
export function titleFrom(text: string): string {
  const line = text.trim().split('\n', 1)[0]?.trim() ?? '';
  if ([...line].length <= 60) return line;
  const cut = [...line].slice(0, 60).join('');
  const space = cut.lastIndexOf(' ');
  return `${space > 30 ? cut.slice(0, space) : cut}…`;
}
