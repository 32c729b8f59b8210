// Two versions of one conversation become one: what this window has, and what is kept, which another window or device may
// have written since. `base` is what was kept when this window last looked, so what differs from it is a change. Of
// messages nothing is lost: one is gone only where somebody deleted it and nobody wrote below it.
import type { Conversation, Message } from './tree';

/** How far an answer has come: given up for lost, under way, broken, ended. */
function stage(message: Message): number {
  if (message.state === 'streaming') return 1;
  if (message.state === 'failed') return message.error === 'lost' ? 0 : 2;
  return 3;
}

function size(message: Message): number {
  return message.content.length + (message.thinking?.length ?? 0);
}

function traced(message: Message): number {
  return (message.trace?.thinking.length ?? 0) + (message.trace?.answer.length ?? 0);
}

/** Of two states of a message the later one; the first where they are equal. */
export function further(a: Message, b: Message): Message {
  if (a === b) return a;
  return (stage(b) - stage(a) || size(b) - size(a) || traced(b) - traced(a)) > 0 ? b : a;
}

/** What is kept of an answer under way is what the window wrote that receives it: others lack the probabilities. */
function toKeep(a: Message, b: Message): Message {
  return a.state === 'streaming' && b.state === 'streaming' && !a.trace !== !b.trace ? (a.trace ? a : b) : further(a, b);
}

function mergeMessages(base: Conversation | undefined, mine: Conversation, theirs: Conversation, pick: typeof further): Record<string, Message> {
  const out: Record<string, Message> = {};
  for (const [id, message] of Object.entries(mine.messages)) {
    const other = theirs.messages[id];
    if (other) out[id] = pick(message, other);
    else if (!base?.messages[id]) out[id] = message;
  }
  for (const [id, message] of Object.entries(theirs.messages)) if (!mine.messages[id] && !base?.messages[id]) out[id] = message;
  // What was written below a message that somebody deleted meanwhile brings it back: an answer needs its question.
  for (const message of Object.values(out))
    for (let up = message.parent; up !== null && !out[up]; ) {
      const lost: Message | undefined = mine.messages[up] ?? theirs.messages[up] ?? base?.messages[up];
      if (!lost) break;
      out[up] = lost;
      up = lost.parent;
    }
  return out;
}

function sameMessages(a: Record<string, Message>, b: Record<string, Message>): boolean {
  const ids = Object.keys(a);
  return ids.length === Object.keys(b).length && ids.every((id) => a[id] === b[id]);
}

/** What is to be kept. */
export function merge(base: Conversation | undefined, mine: Conversation, theirs: Conversation, pick = toKeep): Conversation {
  const messages = mergeMessages(base, mine, theirs, pick);
  const chosen = <K extends keyof Conversation>(key: K): Conversation[K] => (base && mine[key] !== base[key] ? mine[key] : theirs[key]);
  const title = base && (mine.title !== base.title || mine.titled !== base.titled) ? mine : theirs;
  const leaf = [chosen('leaf'), mine.leaf, theirs.leaf].find((id) => id !== null && messages[id]);
  return {
    ...theirs,
    title: title.title,
    titled: title.titled,
    folder: chosen('folder'),
    system: chosen('system'),
    updated: Math.max(mine.updated, theirs.updated),
    messages,
    leaf: leaf ?? newest(messages),
  };
}

function newest(messages: Record<string, Message>): string | null {
  return Object.values(messages).reduce<Message | null>((best, m) => (!best || m.created > best.created ? m : best), null)?.id ?? null;
}

function isAbove(messages: Record<string, Message>, above: string, id: string): boolean {
  for (let at: string | null = id; at !== null; at = messages[at]?.parent ?? null) if (at === above) return true;
  return false;
}

/** What this window shows once `theirs` is kept: `mine` itself where nothing is new. It follows what was added below what
 *  it shows; what was added beside it is one more version to choose, and does not move who is reading. */
export function join(base: Conversation | undefined, mine: Conversation, theirs: Conversation): Conversation {
  const merged = merge(base, mine, theirs, further);
  const { messages } = merged;
  const added = theirs.leaf !== null && !mine.messages[theirs.leaf] && messages[theirs.leaf] !== undefined;
  const follows = added && (mine.leaf === null || isAbove(messages, mine.leaf, theirs.leaf as string));
  const leaf = follows ? theirs.leaf : mine.leaf !== null && messages[mine.leaf] ? mine.leaf : merged.leaf;
  const same =
    merged.title === mine.title && merged.titled === mine.titled && merged.folder === mine.folder && merged.system === mine.system &&
    merged.updated === mine.updated && leaf === mine.leaf && sameMessages(messages, mine.messages);
  return same ? mine : { ...merged, leaf };
}
