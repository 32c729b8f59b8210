// One bar for each day. Readers of the screen hear the largest and the last.
import { number, t } from '../i18n';

export function Bars({ name, values }: { name: string; values: [string, number][] }) {
  const most = Math.max(1, ...values.map((v) => v[1]));
  const best = values.find((v) => v[1] === most) ?? values[0];
  const last = values[values.length - 1];
  if (!best || !last) return null;
  const width = 10 * values.length;
  return (
    <figure class="chart bars">
      <figcaption><span>{name}</span><strong>{number(values.reduce((sum, v) => sum + v[1], 0))}</strong></figcaption>
      <svg viewBox={`0 0 ${width} 80`} preserveAspectRatio="none" role="img" aria-label={t('barsOf', { name, most: number(best[1]), day: best[0], last: number(last[1]) })}>
        {values.map(([day, value], i) => {
          const high = value ? Math.max(1.5, (value / most) * 78) : 0;
          return <rect key={day} x={i * 10 + 1} y={80 - high} width={8} height={high}><title>{`${day}: ${number(value)}`}</title></rect>;
        })}
      </svg>
      <p class="quiet"><span>{values[0]?.[0]}</span><span>{last[0]}</span></p>
    </figure>
  );
}
