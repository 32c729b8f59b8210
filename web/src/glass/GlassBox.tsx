// Under an answer, when the glass box is on: surprise along the text and the experts that computed it; while it comes,
// what it takes. Fetched when it is first shown.
import { useEffect, useState } from 'preact/hooks';

import { api } from '../api/client';
import { bytes, number, t } from '../i18n';
import type { Run } from '../state/answer';
import { info, model } from '../state/app';
import { settings } from '../state/settings';
import type { Message } from '../state/tree';
import { publicCost } from './Figures';
import { glassFocus } from './focus';
import { visible } from './tokens';
import { ExpertMap } from './ExpertMap';
import { Strip } from './Strip';

/** The token that is looked at, in words: what the strip and the map show as a place. */
function Looked({ message }: { message: Message }) {
  const focus = glassFocus.value?.message === message.id ? glassFocus.value : null;
  const trace = message.trace;
  if (!focus || focus.phrase || !trace) return null;
  const token = focus.from < trace.thinking.length ? trace.thinking[focus.from] : trace.answer[focus.from - trace.thinking.length];
  if (!token) return null;
  const chance = Math.exp(token.logprob);
  return <p class="looked quiet"><code>{visible(token.token)}</code> {number(chance * 100, chance < 0.01 ? 2 : 1)} % · {t('bits', { n: number(Math.max(0, -token.logprob / Math.LN2), 1) })}</p>;
}

/** While an answer comes: speed, context, cache, memory and price as they are now. */
export function Live({ run }: { run: Run }) {
  const [now, setNow] = useState(() => performance.now());
  const [memory, setMemory] = useState(0);
  const owner = info.value?.features.plan ?? false;
  useEffect(() => {
    const look = () => { if (owner) api.machine().then((found) => setMemory(found.process_bytes), () => undefined); };
    look();
    const clock = setInterval(() => setNow(performance.now()), 250);
    const memories = setInterval(look, 1000);
    return () => {
      clearInterval(clock);
      clearInterval(memories);
    };
  }, [owner]);
  const usage = run.usage;
  const written = usage?.completion_tokens ?? run.tokens;
  const spent = run.firstToken ? (Math.max(now, run.lastToken) - run.firstToken) / 1000 : 0;
  const context = model.value?.context_length ?? 0;
  const price = settings.value.price;
  const parts: [string, string][] = [
    [t('speed'), spent > 0 && written > 1 ? t('tokensPerSecond', { n: number((written - 1) / spent, 0) }) : '–'],
    [t('written'), number(written)],
    ...(usage ? ([
      [t('contextUsed'), context ? `${number(usage.total_tokens)} / ${number(context)}` : number(usage.total_tokens)],
      [t('fromCache'), `${number(usage.prompt_cache_hit_tokens ?? 0)} / ${number(usage.prompt_tokens)}`],
    ] as [string, string][]) : []),
    ...(memory ? ([[t('memory'), bytes(memory)]] as [string, string][]) : []),
    ...(usage ? ([[price.name, `${number(publicCost(usage, price), 5)} $`]] as [string, string][]) : []),
  ];
  return (
    <dl class="live" data-testid="live">
      {parts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
    </dl>
  );
}

export function GlassBox({ message }: { message: Message }) {
  return (
    <div class="glass-box" data-testid="glass-box">
      <Strip message={message} />
      <Looked message={message} />
      <ExpertMap message={message} />
    </div>
  );
}
