// Surprise along an answer: one column for each token (or for several, where they do not fit), as high as its bits.
// Drawn on a canvas: ten thousand tokens are one picture.
import { useEffect, useRef } from 'preact/hooks';

import { t } from '../i18n';
import { traceVersion } from '../state/answer';
import type { Message } from '../state/tree';
import { glassFocus } from './focus';

const MOST_BITS = 8;
const MOST_WIDE = 12; // pixels of a column

/** The largest surprise of each column, in bits. */
export function columns(logprobs: number[], width: number): number[] {
  const count = Math.min(width, logprobs.length);
  const out = new Array<number>(count).fill(0);
  logprobs.forEach((logprob, index) => {
    const column = Math.floor((index * count) / logprobs.length);
    const bits = Number.isFinite(logprob) ? -logprob / Math.LN2 : 0;
    out[column] = Math.max(out[column] as number, bits);
  });
  return out;
}

export function Strip({ message }: { message: Message }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const version = traceVersion.value;
  const focus = glassFocus.value?.message === message.id ? glassFocus.value : null;
  const thinking = message.trace?.thinking.length ?? 0;
  const total = thinking + (message.trace?.answer.length ?? 0);
  useEffect(() => {
    const target = canvas.current;
    const trace = message.trace;
    if (!target || !trace || !total) return;
    const scale = devicePixelRatio || 1;
    const width = target.clientWidth;
    const height = target.clientHeight;
    target.width = width * scale;
    target.height = height * scale;
    const pen = target.getContext('2d');
    if (!pen) return;
    pen.scale(scale, scale);
    const style = getComputedStyle(target);
    const values = columns([...trace.thinking, ...trace.answer].map((token) => token.logprob), Math.floor(width / 2));
    const step = Math.min(MOST_WIDE, width / values.length);
    values.forEach((bits, column) => {
      const inThinking = (column * total) / values.length < thinking;
      pen.fillStyle = style.getPropertyValue(inThinking ? '--strip-thinking' : '--strip-answer');
      const high = Math.max(1, (Math.min(bits, MOST_BITS) / MOST_BITS) * height);
      pen.fillRect(column * step, height - high, Math.max(1, step - 0.5), high);
    });
    if (focus) {
      const at = (token: number) => Math.floor((token * values.length) / total) * step;
      pen.globalAlpha = 0.35;
      pen.fillStyle = style.getPropertyValue('--accent');
      pen.fillRect(at(focus.from), 0, Math.max(2, at(focus.to) - at(focus.from)), height);
      pen.globalAlpha = 1;
    }
  }, [version, total, focus, message.trace]);
  if (!total) return null;
  const point = (event: MouseEvent) => {
    const target = canvas.current;
    if (!target || !(getSelection()?.isCollapsed ?? true)) return;
    const shown = Math.min(Math.floor(target.clientWidth / 2), total);
    const step = Math.min(MOST_WIDE, target.clientWidth / shown);
    const token = Math.floor(((event.offsetX / step) * total) / shown);
    glassFocus.value = token < total ? { message: message.id, from: token, to: token + 1 } : null;
  };
  return <canvas ref={canvas} class="strip" role="img" aria-label={t('surpriseStrip', { n: total })} onMouseMove={point} onMouseLeave={() => { if (!glassFocus.value?.phrase) glassFocus.value = null; }} data-testid="strip" />;
}
