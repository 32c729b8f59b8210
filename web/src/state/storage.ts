// Where conversations live: in this browser (IndexedDB), or with the account on the server. Both hold whole
// conversations by id. Whoever writes one reads it first and merges (merge.ts): other windows and devices write, too.
import { api, ServerError } from '../api/client';
import { merge } from './merge';
import { inTurn } from './tabs';
import type { Conversation } from './tree';

export interface ConversationStore {
  all(): Promise<Conversation[]>;
  get(id: string): Promise<Conversation | undefined>;
  /** Gives what is kept now; nothing where somebody deleted it. `base`: what this window knew to be kept. */
  save(mine: Conversation, base: Conversation | undefined): Promise<Conversation | undefined>;
  remove(id: string): Promise<void>;
}

function request<T>(r: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    r.onsuccess = () => resolve(r.result);
    r.onerror = () => reject(r.error ?? new Error('IndexedDB'));
  });
}

export class BrowserStore implements ConversationStore {
  private db: Promise<IDBDatabase> | null = null;

  constructor(private readonly name = 'limpid') {}

  private open(): Promise<IDBDatabase> {
    this.db ??= new Promise((resolve, reject) => {
      const opening = indexedDB.open(this.name, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore('conversations', { keyPath: 'id' });
      opening.onsuccess = () => {
        // Another window wants a newer version: let go, so that it is not held up.
        opening.result.onversionchange = () => {
          opening.result.close();
          this.db = null;
        };
        resolve(opening.result);
      };
      opening.onerror = () => reject(opening.error ?? new Error('IndexedDB'));
    });
    return this.db;
  }

  private async table(mode: IDBTransactionMode): Promise<IDBObjectStore> {
    return (await this.open()).transaction('conversations', mode).objectStore('conversations');
  }

  async all(): Promise<Conversation[]> {
    return request((await this.table('readonly')).getAll() as IDBRequest<Conversation[]>);
  }

  async get(id: string): Promise<Conversation | undefined> {
    return request((await this.table('readonly')).get(id) as IDBRequest<Conversation | undefined>);
  }

  /** One transaction: nobody writes between the reading and the writing. */
  async save(mine: Conversation, base: Conversation | undefined): Promise<Conversation | undefined> {
    const table = await this.table('readwrite');
    const theirs = await request(table.get(mine.id) as IDBRequest<Conversation | undefined>);
    if (!theirs && base) return undefined;
    const merged = theirs ? merge(base, mine, theirs) : mine;
    await request(table.put(merged));
    return merged;
  }

  async remove(id: string): Promise<void> {
    await request((await this.table('readwrite')).delete(id));
  }
}

const MOST_SENT = 6_000_000; // bytes: the server takes 8 MB

/** Without the probabilities and experts of its tokens where it is too large with them: what was said stays. */
export function fitting(conversation: Conversation, most = MOST_SENT): Conversation {
  const size = (value: unknown) => JSON.stringify(value).length;
  if (size(conversation) <= most) return conversation;
  const messages = { ...conversation.messages };
  const traced = Object.values(messages).filter((m) => m.trace).sort((a, b) => a.created - b.created);
  let left = size(conversation);
  for (const message of traced) {
    if (left <= most) break;
    const { trace, ...rest } = message;
    messages[message.id] = rest;
    left -= size(trace);
  }
  return { ...conversation, messages };
}

const AT_ONCE = 6; // conversations that are fetched at the same time
const ATTEMPTS = 8; // to write one that others write at the same moment

/** The server lists them and gives one at a time; what is here in the same version is not fetched again. What the server
 *  calls `updated` is the version: it grows with every writing, a renaming too, which leaves the time of the last message
 *  in the conversation as it is. */
export class ServerStore implements ConversationStore {
  private kept = new Map<string, { version: number; conversation: Conversation }>();
  private turn: Promise<unknown> = Promise.resolve();

  /** One at a time: in this window, and, where the browser has locks, in all of them. */
  private alone<T>(what: () => Promise<T>): Promise<T> {
    const next = this.turn.then(() => inTurn('limpid.history', what));
    this.turn = next.catch(() => undefined);
    return next;
  }

  private async fetch(id: string): Promise<Conversation | undefined> {
    try {
      const { body, updated } = await api.conversation(id);
      this.kept.set(id, { version: updated, conversation: body as Conversation });
      return body as Conversation;
    } catch (error) {
      if (!(error instanceof ServerError && error.status === 404)) throw error;
      this.kept.delete(id); // deleted meanwhile
      return undefined;
    }
  }

  all(): Promise<Conversation[]> {
    return this.alone(async () => {
      const listed = await api.conversations();
      const missing = listed.filter(({ id, updated }) => this.kept.get(id)?.version !== updated).map(({ id }) => id);
      const fetchSome = async () => {
        for (let id = missing.shift(); id !== undefined; id = missing.shift()) await this.fetch(id);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, fetchSome));
      return listed.flatMap(({ id }) => this.kept.get(id)?.conversation ?? []);
    });
  }

  get(id: string): Promise<Conversation | undefined> {
    return this.alone(() => this.fetch(id));
  }

  /** The server takes it only where nobody wrote since it was read: another device, then, and it is merged again. */
  save(mine: Conversation, base: Conversation | undefined): Promise<Conversation | undefined> {
    return this.alone(async () => {
      for (let attempt = 1; ; attempt += 1) {
        const theirs = await this.fetch(mine.id);
        if (!theirs && base) return undefined;
        const conversation = theirs ? merge(base, mine, theirs) : mine;
        const replaced = this.kept.get(mine.id)?.version ?? 0;
        const version = Math.max(Date.now(), conversation.updated, replaced + 1);
        try {
          await api.saveConversation(mine.id, version, replaced, fitting(conversation));
        } catch (error) {
          if (error instanceof ServerError && error.code === 'conversation_changed' && attempt < ATTEMPTS) continue;
          throw error;
        }
        this.kept.set(mine.id, { version, conversation });
        return conversation;
      }
    });
  }

  remove(id: string): Promise<void> {
    return this.alone(async () => {
      await api.deleteConversation(id);
      this.kept.delete(id);
    });
  }
}

/** Writes in a moment, one writing after another; flush() writes what waits now. `write` takes what is to be written
 *  when its turn comes. */
export class LazySaver {
  private waiting = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | null = null;
  private under: Promise<void> = Promise.resolve();
  private ended = false;
  onError: (error: unknown) => void = () => undefined;

  constructor(
    private readonly write: (id: string) => Promise<void>,
    private readonly delay = 50,
  ) {}

  save(id: string): void {
    if (this.ended) return;
    this.waiting.add(id);
    this.timer ??= setTimeout(() => void this.flush(), this.delay);
  }

  /** What still waits is not written. */
  end(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.waiting.clear();
    this.ended = true;
  }

  forget(id: string): void {
    this.waiting.delete(id);
  }

  flush(): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.under = this.under.then(() => this.writeAll());
    return this.under;
  }

  private async writeAll(): Promise<void> {
    const now = [...this.waiting];
    this.waiting.clear();
    await Promise.all(now.map(async (id) => {
      try {
        await this.write(id);
      } catch (error) {
        if (this.ended) return;
        this.waiting.add(id);
        this.onError(error);
      }
    }));
    if (this.waiting.size) this.timer ??= setTimeout(() => void this.flush(), 4000);
  }
}
