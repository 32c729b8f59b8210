// Answers that another window of this browser receives: shown here as they come, stopped from here, and taken up here
// when that window goes.
import { conversations, hooks, online, put, reread } from './app';
import { forgetRun, isOurs, type Run, runOf, runs, stop, takeUp, tellLive, whileOurs } from './answer';
import { further } from './merge';
import { onWord, tell, type Word } from './tabs';
import type { Conversation } from './tree';

const attended = new Set<string>();

/** Waits until nobody receives the answer; then it is taken up here, where it has not ended. */
function attend(conversation: string, id: string): void {
  if (isOurs(id) || attended.has(id)) return;
  attended.add(id);
  tell({ kind: 'who' });
  const take = async () => {
    attended.delete(id);
    const kept = (await reread(conversation))?.messages[id];
    if (!isOurs(id)) forgetRun(id);
    // As it is kept: text, probabilities and the place where the stream goes on belong together.
    if (kept?.state === 'streaming' && conversations.value[conversation]?.messages[id]) await takeUp(conversation, kept);
  };
  whileOurs(id, take).catch(() => attended.delete(id));
}

function attendAll(conversation: Conversation): void {
  if (!online.value) return;
  for (const message of Object.values(conversation.messages)) if (message.state === 'streaming') attend(conversation.id, message.id);
}

/** Once the server is there. */
export function takeUpStreams(): void {
  for (const conversation of Object.values(conversations.value)) attendAll(conversation);
}

/** Times are told by the clock of the window that tells. */
function moved(run: Run, by: number): Run {
  const at = (time: number) => (time ? time + by : 0);
  return { ...run, started: run.started + by, firstToken: at(run.firstToken), thinkingEnd: at(run.thinkingEnd), lastToken: at(run.lastToken), elsewhere: true };
}

function show({ conversation: id, message, run, origin }: Extract<Word, { kind: 'live' }>): void {
  const conversation = conversations.value[id];
  // What is not known here yet comes from where it is kept.
  if (!conversation || isOurs(message.id)) return;
  const mine = conversation.messages[message.id];
  if (!mine && message.parent !== null && !conversation.messages[message.parent]) return;
  const next = mine ? further(mine, message) : message;
  if (next !== mine) put({ ...conversation, messages: { ...conversation.messages, [message.id]: next }, leaf: !mine && conversation.leaf === message.parent ? message.id : conversation.leaf }, false);
  if (run && next.state === 'streaming') {
    runs.value = { ...runs.value, [message.id]: moved(run, origin - performance.timeOrigin) };
    attend(id, message.id);
  } else if (runs.value[message.id]) forgetRun(message.id);
}

onWord((word) => {
  if (word.kind === 'live') show(word);
  if (word.kind === 'who') for (const id of Object.keys(runs.value)) if (isOurs(id)) tellLive(id);
  if (word.kind === 'stop' && isOurs(word.message)) stop(word.message);
});
hooks.learned = attendAll;
hooks.gone = (id) => {
  for (let run = runOf(id); run; run = runOf(id)) {
    stop(run.message);
    forgetRun(run.message);
  }
};
