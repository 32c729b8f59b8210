// Where conversations live: in this browser (IndexedDB), or with the account on the server. Both hold whole
// conversations by id; the newest `updated` wins. Drafts stay in the browser.
import { api, ServerError } from '../api/client';
import type { Conversation } from './tree';

export interface ConversationStore {
  all(): Promise<Conversation[]>;
  save(conversation: Conversation): Promise<void>;
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
  private opened: IDBDatabase | null = null;

  constructor(private readonly name = 'limpid') {}

  private open(): Promise<IDBDatabase> {
    this.db ??= new Promise((resolve, reject) => {
      const opening = indexedDB.open(this.name, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore('conversations', { keyPath: 'id' });
      opening.onsuccess = () => {
        // Another tab wants a newer version: let go, so that it is not held up.
        opening.result.onversionchange = () => {
          opening.result.close();
          this.opened = null;
          this.db = null;
        };
        this.opened = opening.result;
        resolve(opening.result);
      };
      opening.onerror = () => reject(opening.error ?? new Error('IndexedDB'));
    });
    return this.db;
  }

  async all(): Promise<Conversation[]> {
    const db = await this.open();
    return request(db.transaction('conversations').objectStore('conversations').getAll() as IDBRequest<Conversation[]>);
  }

  /** Once the database is open the write is under way when this returns: a page that goes does not take it along. */
  async save(conversation: Conversation): Promise<void> {
    const db = this.opened ?? (await this.open());
    await request(db.transaction('conversations', 'readwrite').objectStore('conversations').put(conversation));
  }

  async remove(id: string): Promise<void> {
    const db = await this.open();
    await request(db.transaction('conversations', 'readwrite').objectStore('conversations').delete(id));
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

/** The server lists them and gives one at a time; what is here in the same version is not fetched again. */
export class ServerStore implements ConversationStore {
  private known: Map<string, Conversation>;

  constructor(known: Conversation[] = []) {
    this.known = new Map(known.map((c) => [c.id, c]));
  }

  async all(): Promise<Conversation[]> {
    const listed = await api.conversations();
    const found = new Map<string, Conversation>();
    const missing: string[] = [];
    for (const { id, updated } of listed) {
      const here = this.known.get(id);
      if (here?.updated === updated) found.set(id, here);
      else missing.push(id);
    }
    const fetchSome = async () => {
      for (let id = missing.shift(); id !== undefined; id = missing.shift()) {
        try {
          found.set(id, (await api.conversation(id)).body as Conversation);
        } catch (error) {
          // Deleted meanwhile, by another device.
          if (!(error instanceof ServerError && error.status === 404)) throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, fetchSome));
    this.known = found;
    return listed.flatMap(({ id }) => found.get(id) ?? []);
  }
  async save(conversation: Conversation): Promise<void> {
    await api.saveConversation(conversation.id, conversation.updated, fitting(conversation));
    this.known.set(conversation.id, conversation);
  }
  async remove(id: string): Promise<void> {
    await api.deleteConversation(id);
    this.known.delete(id);
  }
}

/** Writes soon, not at once: a stream changes its conversation many times a second. flush() writes what waits. */
export class LazySaver {
  private waiting = new Map<string, Conversation>();
  private timer: ReturnType<typeof setTimeout> | null = null;
  private ended = false;
  onError: (error: unknown) => void = () => undefined;

  constructor(
    private readonly store: ConversationStore,
    private readonly delay = 800,
  ) {}

  save(conversation: Conversation): void {
    if (this.ended) return;
    this.waiting.set(conversation.id, conversation);
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

  async flush(): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    const now = [...this.waiting.values()];
    this.waiting.clear();
    const writes = now.map((conversation) => this.store.save(conversation));
    for (const [index, write] of writes.entries()) {
      try {
        await write;
      } catch (error) {
        const conversation = now[index] as Conversation;
        if (!this.ended && !this.waiting.has(conversation.id)) this.waiting.set(conversation.id, conversation);
        this.onError(error);
      }
    }
    if (this.waiting.size) this.timer ??= setTimeout(() => void this.flush(), this.delay * 5);
  }
}
