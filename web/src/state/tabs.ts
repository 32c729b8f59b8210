// What the windows of one browser tell each other, and whose turn it is. A word says that something changed; the truth is
// what is kept. One channel for each account and each place of keeping, so that nobody hears of another's conversations.
import type { Run } from './answer';
import type { Message } from './tree';

export type Word =
  | { kind: 'changed' | 'removed'; id: string } // a conversation
  | { kind: 'live'; conversation: string; message: Message; run: Run | null; origin: number } // null: it has ended
  | { kind: 'stop'; message: string }
  | { kind: 'who' } // has an answer under way?
  | { kind: 'here' };

const listeners: ((word: Word) => void)[] = [];
let channel: BroadcastChannel | null = null;
let alone = true;

export function onWord(listener: (word: Word) => void): void {
  listeners.push(listener);
}

export function tell(word: Word): void {
  if (word.kind !== 'live' || !alone) channel?.postMessage(word);
}

export function joinTabs(name: string): void {
  leaveTabs();
  if (typeof BroadcastChannel === 'undefined') return;
  channel = new BroadcastChannel(name);
  channel.onmessage = ({ data }: MessageEvent<Word>) => {
    alone = false;
    if (data.kind === 'who') tell({ kind: 'here' });
    for (const listener of listeners) listener(data);
  };
  tell({ kind: 'who' });
}

export function leaveTabs(): void {
  channel?.close();
  channel = null;
  alone = true;
}

/** Runs `what` while no other window does something of this name. Where the browser has no locks (an address that is
 *  neither https nor this machine): at once. */
export function inTurn<T>(name: string, what: () => Promise<T>): Promise<T> {
  return typeof navigator !== 'undefined' && navigator.locks ? (navigator.locks.request(name, what) as Promise<T>) : what();
}
