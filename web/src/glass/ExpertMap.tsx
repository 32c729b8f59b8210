// Which experts computed: layers downwards, experts across. Bright: chosen for the token that is looked at (or the last
// one), or for those of a selected phrase, the brighter the more of them; shaded: how often each was chosen over the answer.
import { useEffect, useRef } from 'preact/hooks';

import { number, t } from '../i18n';
import { traceVersion } from '../state/answer';
import type { Message } from '../state/tree';
import { glassFocus } from './focus';

/** How often each expert was chosen: [layer][expert]. */
export function countExperts(chosen: number[][][], layers: number, experts: number, from = 0, to = chosen.length): number[][] {
  const counts = Array.from({ length: layers }, () => new Array<number>(experts).fill(0));
  for (let i = from; i < to; i += 1)
    chosen[i]?.forEach((ids, layer) => {
      const row = counts[layer];
      if (row) for (const id of ids) if (id < experts) row[id] = (row[id] as number) + 1;
    });
  return counts;
}

/** Counts of a trace that grows: only what came since is counted. */
class Totals {
  counts: number[][] = [];
  experts = 0;
  private seen = 0;

  follow(chosen: number[][][]): void {
    for (; this.seen < chosen.length; this.seen += 1)
      chosen[this.seen]?.forEach((ids, layer) => {
        const row = (this.counts[layer] ??= []);
        for (const id of ids) {
          row[id] = (row[id] ?? 0) + 1;
          this.experts = Math.max(this.experts, id + 1);
        }
      });
  }
}
const totals = new WeakMap<number[][][], Totals>();

export interface Chosen {
  layer: number;
  expert: number;
  times: number;
}

/** The experts that most tokens of a stretch chose, the most used first. */
export function mostChosen(chosen: number[][][], from: number, to: number, most: number): Chosen[] {
  const found = new Map<string, Chosen>();
  for (let i = from; i < to; i += 1)
    chosen[i]?.forEach((ids, layer) => {
      for (const expert of ids) {
        const key = `${layer} ${expert}`;
        const one = found.get(key) ?? { layer, expert, times: 0 };
        one.times += 1;
        found.set(key, one);
      }
    });
  return [...found.values()].sort((a, b) => b.times - a.times || a.layer - b.layer || a.expert - b.expert).slice(0, most);
}

const SHOWN = 9;

export function ExpertMap({ message }: { message: Message }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const version = traceVersion.value;
  const chosen = message.trace?.experts ?? [];
  const layers = chosen[0]?.length ?? 0;
  let all = totals.get(chosen);
  if (!all) totals.set(chosen, (all = new Totals()));
  all.follow(chosen);
  const { counts, experts } = all;
  const focus = glassFocus.value?.message === message.id ? glassFocus.value : null;
  const from = Math.min(focus?.from ?? chosen.length - 1, chosen.length - 1);
  const to = Math.min(focus?.to ?? chosen.length, chosen.length);
  const row = Math.max(6, Math.min(14, Math.floor(260 / Math.max(1, layers))));
  useEffect(() => {
    const target = canvas.current;
    if (!target || !chosen.length || !layers) return;
    const scale = devicePixelRatio || 1;
    const width = target.clientWidth;
    const height = row * layers;
    target.width = width * scale;
    target.height = height * scale;
    const pen = target.getContext('2d');
    if (!pen) return;
    pen.scale(scale, scale);
    const style = getComputedStyle(target);
    const cell = width / experts;
    pen.fillStyle = style.getPropertyValue('--strip-thinking');
    for (let layer = 0; layer < layers; layer += 1) {
      const line = counts[layer] ?? [];
      const most = Math.max(1, ...line.filter(Boolean));
      for (let expert = 0; expert < experts; expert += 1) {
        pen.globalAlpha = 0.08 + (0.6 * (line[expert] ?? 0)) / most;
        pen.fillRect(expert * cell, layer * row, Math.max(1, cell - 0.5), row - 1);
      }
    }
    pen.fillStyle = style.getPropertyValue('--accent');
    const near = countExperts(chosen, layers, experts, from, to);
    const most = Math.max(1, to - from);
    near.forEach((line, layer) => line.forEach((count, expert) => {
      if (!count) return;
      pen.globalAlpha = 0.25 + (0.75 * count) / most;
      pen.fillRect(expert * cell, layer * row, Math.max(2, cell - 0.5), row - 1);
    }));
    pen.globalAlpha = 1;
  }, [version, chosen.length, from, to, layers, experts, row]);
  if (!chosen.length || !layers) return null;
  const used = counts.reduce((sum, line) => sum + line.filter((n) => n > 0).length, 0);
  const list = focus ? mostChosen(chosen, from, to, SHOWN) : [];
  return (
    <figure class="experts" data-testid="experts">
      <canvas ref={canvas} class="expert-map" height={row * layers} role="img" aria-label={t('expertsUsed', { used, all: layers * experts })} />
      <figcaption class="quiet">
        {focus?.phrase
          ? <span data-testid="phrase">{t('expertsOfPhrase', { phrase: focus.phrase.length > 40 ? `${focus.phrase.slice(0, 40)}…` : focus.phrase, n: number(to - from) })}</span>
          : <>{t('expertsUsed', { used: number(used), all: number(layers * experts) })} · {t('expertsHint')}</>}
      </figcaption>
      {focus?.phrase && (
        <ul class="chosen" aria-label={t('experts')}>
          {list.map((one) => <li key={`${one.layer}-${one.expert}`}>{t('expertAt', { layer: one.layer + 1, expert: one.expert })} <span class="quiet">{one.times}×</span></li>)}
        </ul>
      )}
    </figure>
  );
}
