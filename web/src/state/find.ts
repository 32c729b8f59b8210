// Searching conversations: every word must occur in the title or a message, whatever its case.
import type { Conversation } from './tree';

const texts = new WeakMap<Conversation, string>();

function textOf(conversation: Conversation): string {
  let text = texts.get(conversation);
  if (text === undefined) {
    const parts = [conversation.title];
    for (const message of Object.values(conversation.messages)) parts.push(message.content, message.thinking ?? '');
    text = parts.join('\n').toLowerCase();
    texts.set(conversation, text);
  }
  return text;
}

export function find(conversations: Conversation[], query: string): Conversation[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return conversations;
  return conversations.filter((c) => {
    const text = textOf(c);
    return words.every((word) => text.includes(word));
  });
}
