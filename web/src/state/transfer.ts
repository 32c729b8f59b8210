// Conversations out of the app and into it: our own JSON (everything), Markdown (what is shown), and the web export of
// DeepSeek's app (conversations.json: a list of trees of messages with fragments).
import { type Conversation, type Message, newConversation, newId, path, titleFrom } from './tree';

export const FORMAT = 'limpid-conversations';

export function toJson(conversations: Conversation[]): string {
  return JSON.stringify({ format: FORMAT, version: 1, conversations }, null, 1);
}

export function toMarkdown(conversation: Conversation, words: { you: string; thinking: string }): string {
  const out = [`# ${conversation.title || 'limpid'}`];
  for (const message of path(conversation)) {
    if (message.role === 'user') {
      out.push(`## ${words.you}`);
      for (const file of message.attachments ?? []) out.push(`*${file.name}*`);
      out.push(message.content);
    } else {
      out.push(`## ${message.model || 'limpid'}`);
      if (message.thinking?.trim())
        out.push(`<details><summary>${words.thinking}</summary>\n\n${message.thinking.trim().replace(/^/gm, '> ')}\n\n</details>`);
      out.push(message.content);
    }
  }
  return `${out.join('\n\n')}\n`;
}

type Json = Record<string, unknown>;
const object = (value: unknown): Json | null => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : null);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Throws where the text is no export that the app knows. */
export function fromExport(source: string): Conversation[] {
  const root: unknown = JSON.parse(source);
  const own = object(root);
  if (own && own.format === FORMAT && Array.isArray(own.conversations)) return own.conversations.flatMap(ownConversation);
  const list = Array.isArray(root) ? root : Array.isArray(own?.conversations) ? own.conversations : null;
  if (!list) throw new Error('format');
  const found = list.flatMap(deepSeekConversation);
  if (!found.length && list.length) throw new Error('format');
  return found;
}

function ownConversation(value: unknown): Conversation[] {
  const from = object(value);
  const messages = object(from?.messages);
  if (!from || !messages || typeof from.id !== 'string') return [];
  const kept: Record<string, Message> = {};
  for (const [id, raw] of Object.entries(messages)) {
    const message = object(raw);
    if (!message || (message.role !== 'user' && message.role !== 'assistant') || typeof message.content !== 'string') continue;
    const { resume: _resume, ...rest } = message as unknown as Message;
    kept[id] = { ...rest, id, parent: typeof message.parent === 'string' ? message.parent : null, created: Number(message.created) || 0, ...(rest.state === 'streaming' ? { state: 'stopped' as const } : {}) };
  }
  const base = newConversation(Number(from.created) || Date.now());
  const leaf = typeof from.leaf === 'string' && kept[from.leaf] ? from.leaf : null;
  return [{ ...base, id: from.id, title: text(from.title), titled: from.titled === true, updated: Number(from.updated) || base.created, folder: text(from.folder), system: text(from.system), messages: kept, leaf }];
}

function deepSeekConversation(value: unknown): Conversation[] {
  const from = object(value);
  const mapping = object(from?.mapping);
  if (!from || !mapping) return [];
  const created = Date.parse(text(from.inserted_at)) || Date.now();
  let conversation = newConversation(created);
  const ids = new Map<string, string>(); // node -> our message (or the nearest one above that has one)
  let latest = 0;
  const visit = (nodeId: string, parent: string | null, depth: number) => {
    const node = object(mapping[nodeId]);
    if (!node || depth > 5000) return;
    const made = deepSeekMessage(node, parent);
    if (made) {
      // Versions are shown in the order of their times: where these are equal, in the order of the file.
      made.created = latest = Math.max(made.created, latest + 1);
      conversation = { ...conversation, messages: { ...conversation.messages, [made.id]: made }, leaf: made.id };
      ids.set(nodeId, made.id);
    }
    const below = Array.isArray(node.children) ? node.children : [];
    for (const child of below) if (typeof child === 'string') visit(child, made?.id ?? parent, depth + 1);
  };
  const roots = Object.keys(mapping).filter((id) => text(object(mapping[id])?.parent) === '');
  for (const root of roots) visit(root, null, 0);
  if (!ids.size) return [];
  const updated = Date.parse(text(from.updated_at)) || created;
  const first = Object.values(conversation.messages)[0];
  return [{ ...conversation, title: text(from.title) || titleFrom(first?.content ?? ''), titled: text(from.title) !== '', updated }];
}

function deepSeekMessage(node: Json, parent: string | null): Message | null {
  const message = object(node.message);
  if (!message) return null;
  const fragments = Array.isArray(message.fragments) ? message.fragments.map(object) : [];
  const of = (kind: string) => fragments.filter((f) => f && text(f.type).toUpperCase() === kind).map((f) => text(f?.content)).join('\n\n');
  const created = Date.parse(text(message.inserted_at)) || Date.now();
  const base = { id: newId(), parent, created };
  const question = of('REQUEST') || (text(message.role).toLowerCase() === 'user' ? text(message.content) : '');
  if (question) return { ...base, role: 'user', content: question };
  const answer = of('RESPONSE') || (text(message.role).toLowerCase() === 'assistant' ? text(message.content) : '');
  const thinking = of('THINK') || text(message.thinking_content);
  if (!answer && !thinking) return null;
  return { ...base, role: 'assistant', content: answer, ...(thinking ? { thinking } : {}), model: text(message.model), state: 'done' };
}
