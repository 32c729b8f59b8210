// A line chart as SVG: one curve over steps, with its least and largest value. Readers of the screen hear its ends.
import { number, t } from '../i18n';

interface Props {
  name: string;
  points: [number, number][]; // step, value
}

export function thin(points: [number, number][], most: number): [number, number][] {
  if (points.length <= most) return points;
  const out: [number, number][] = [];
  for (let i = 0; i < most; i += 1) {
    const from = Math.floor((i * points.length) / most);
    const to = Math.max(from + 1, Math.floor(((i + 1) * points.length) / most));
    const slice = points.slice(from, to);
    out.push([slice[slice.length - 1]![0], slice.reduce((sum, p) => sum + p[1], 0) / slice.length]);
  }
  return out;
}

export function Chart({ name, points }: Props) {
  const shown = thin(points.filter((p) => Number.isFinite(p[1])), 300);
  const first = shown[0];
  const last = shown[shown.length - 1];
  if (!first || !last || shown.length < 2) return null;
  const values = shown.map((p) => p[1]);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const width = 320;
  const height = 120;
  const x = (step: number) => ((step - first[0]) / Math.max(1, last[0] - first[0])) * width;
  const y = (value: number) => height - 4 - ((value - low) / (high - low || 1)) * (height - 8);
  const line = shown.map(([step, value], i) => `${i ? 'L' : 'M'}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join('');
  const short = (value: number) => number(value, Math.abs(value) < 10 ? 3 : Math.abs(value) < 1000 ? 1 : 0);
  return (
    <figure class="chart">
      <figcaption><span>{name}</span><strong>{short(last[1])}</strong></figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-label={t('chartOf', { name, first: short(first[1]), last: short(last[1]) })} preserveAspectRatio="none">
        <path d={line} fill="none" vector-effect="non-scaling-stroke" />
      </svg>
      <p class="quiet"><span>{short(low)} – {short(high)}</span><span>{number(first[0])} → {number(last[0])}</span></p>
    </figure>
  );
}
