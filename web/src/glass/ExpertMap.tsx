// Which experts computed: layers downwards, experts across. Bright: chosen for the token that is looked at (or the last
// one); shaded: how often each was chosen over the answer.
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

export function ExpertMap({ message }: { message: Message }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const version = traceVersion.value;
  const chosen = message.trace?.experts ?? [];
  const layers = chosen[0]?.length ?? 0;
  const experts = Math.max(0, ...chosen.flatMap((token) => token.flat())) + 1;
  const focus = glassFocus.value?.message === message.id ? Math.min(glassFocus.value.index, chosen.length - 1) : chosen.length - 1;
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
    const counts = countExperts(chosen, layers, experts);
    const cell = width / experts;
    counts.forEach((line, layer) => {
      const most = Math.max(1, ...line);
      line.forEach((count, expert) => {
        pen.globalAlpha = 0.08 + (0.6 * count) / most;
        pen.fillStyle = style.getPropertyValue('--strip-thinking');
        pen.fillRect(expert * cell, layer * row, Math.max(1, cell - 0.5), row - 1);
      });
    });
    pen.globalAlpha = 1;
    pen.fillStyle = style.getPropertyValue('--accent');
    chosen[focus]?.forEach((ids, layer) => {
      for (const id of ids) pen.fillRect(id * cell, layer * row, Math.max(2, cell - 0.5), row - 1);
    });
  }, [version, chosen.length, focus, layers, experts, row]);
  if (!chosen.length || !layers) return null;
  const used = countExperts(chosen, layers, experts).flat().filter((n) => n > 0).length;
  return (
    <figure class="experts" data-testid="experts">
      <canvas ref={canvas} class={`expert-map rows-${Math.min(64, layers)}`} height={row * layers} role="img" aria-label={t('expertsUsed', { used, all: layers * experts })} />
      <figcaption class="quiet">
        {t('expertsUsed', { used: number(used), all: number(layers * experts) })} · {t('expertsHint')}
      </figcaption>
    </figure>
  );
}
