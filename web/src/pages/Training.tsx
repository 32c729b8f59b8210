// A recipe's run: its stages, their curves (loss, reward, length, expert balance ...) and samples of thinking by step.
// A run that goes on is read again every few seconds.
import { useEffect, useState } from 'preact/hooks';

import { api } from '../api/client';
import type { RunCurves, TrainingRun } from '../api/types';
import { Chart } from '../glass/Chart';
import { type Key, number, t } from '../i18n';
import { explain } from '../i18n/explain';
import { go, say } from '../state/app';

/** What a reader asks for first; the rest is behind "more". */
const MAIN = ['loss', 'reward', 'accuracy', 'tokens', 'reasoned', 'violation', 'kl', 'entropy', 'mtp_loss'];
const WORDS: Record<string, Key> = {
  loss: 'curveLoss', reward: 'curveReward', accuracy: 'curveAccuracy', tokens: 'curveTokens', reasoned: 'curveReasoned', well_formed: 'curveWellFormed', language: 'curveLanguage',
  finished: 'curveFinished', violation: 'curveBalance', kl: 'curveKl', entropy: 'curveEntropy', mtp_loss: 'curveMtp', norm: 'curveNorm', rate: 'curveRate', clipped: 'curveClipped',
};

/** In the order of MAIN, then as they come. A curve of one value says nothing. */
export function curvesOf(curves: RunCurves): { name: string; main: boolean; points: [number, number][] }[] {
  const step = curves.columns.indexOf('step');
  const all = curves.columns.flatMap((name, index) => {
    if (index === step) return [];
    const points = curves.rows.flatMap((row, i): [number, number][] => (typeof row[index] === 'number' ? [[step >= 0 ? (row[step] ?? i) : i, row[index] as number]] : []));
    const varies = points.some((p) => p[1] !== points[0]?.[1]);
    return varies ? [{ name, main: MAIN.includes(name), points }] : [];
  });
  const rank = (name: string) => (MAIN.includes(name) ? MAIN.indexOf(name) : MAIN.length);
  return all.sort((a, b) => rank(a.name) - rank(b.name));
}

function title(name: string): string {
  const key = WORDS[name];
  return key ? t(key) : name.startsWith('families.') ? t('curveFamily', { name: name.slice(9) }) : name.replace(/_/g, ' ');
}

const STATES: Record<string, Key> = { finished: 'stageFinished', running: 'stageRunning', waiting: 'stageWaiting' };

export function Training({ run, stage }: { run: string; stage: string }) {
  const [runs, setRuns] = useState<TrainingRun[] | null>(null);
  const [curves, setCurves] = useState<RunCurves | null>(null);
  useEffect(() => {
    const load = () => api.runs().then(setRuns, (error: Error) => say(explain(error), 'error'));
    void load();
    const timer = setInterval(() => void load(), 2500);
    return () => clearInterval(timer);
  }, []);
  const chosen = runs?.find((r) => r.name === run) ?? (run ? undefined : runs?.[0]);
  const chosenStage = chosen?.stages.find((s) => s.name === stage) ?? chosen?.stages.find((s) => s.state === 'running') ?? [...(chosen?.stages ?? [])].reverse().find((s) => s.kind === 'rl' && s.state === 'finished') ?? chosen?.stages[0];
  const name = chosen?.name ?? '';
  const stageName = chosenStage?.name ?? '';
  useEffect(() => {
    if (!name || !stageName) return undefined;
    let shown = true;
    const load = () => api.curves(name, stageName).then((found) => { if (shown) setCurves(found); }, (error: Error) => say(explain(error), 'error'));
    setCurves(null);
    void load();
    const timer = setInterval(() => void load(), 4000);
    return () => { shown = false; clearInterval(timer); };
  }, [name, stageName]);
  const shown = curves ? curvesOf(curves) : [];
  const more = shown.filter((c) => !c.main);
  return (
    <main class="page wide" aria-label={t('training')} data-testid="training-page">
      <h1>{t('training')}</h1>
      {runs === null ? <p role="status">{t('waiting')}</p> : runs.length === 0 ? <p>{t('noRuns')}</p> : (
        <>
          <div class="row">
            <label><span class="visually-hidden">{t('runs')}</span>
              <select value={name} onChange={(e) => go(`#/training/${encodeURIComponent(e.currentTarget.value)}`)}>
                {runs.map((r) => <option key={r.name} value={r.name}>{r.name}</option>)}
              </select>
            </label>
            <div class="tabs" role="group" aria-label={t('stages')}>
              {chosen?.stages.map((s) => (
                <button type="button" key={s.name} aria-pressed={s.name === stageName} onClick={() => go(`#/training/${encodeURIComponent(name)}/${encodeURIComponent(s.name)}`)}>
                  {s.name} <span class={`dot ${s.state}`} role="img" aria-label={t(STATES[s.state] ?? 'stageWaiting')} title={t(STATES[s.state] ?? 'stageWaiting')} />
                </button>
              ))}
            </div>
          </div>
          {curves && (
            <>
              {shown.length === 0 && curves.samples.length === 0 && <p class="quiet after">{t('noCurves')}</p>}
              <div class="charts">
                {shown.filter((c) => c.main).map((c) => <Chart key={c.name} name={title(c.name)} points={c.points} />)}
              </div>
              {more.length > 0 && (
                <details>
                  <summary>{t('moreCurves', { n: more.length })}</summary>
                  <div class="charts">{more.map((c) => <Chart key={c.name} name={title(c.name)} points={c.points} />)}</div>
                </details>
              )}
              {curves.samples.length > 0 && (
                <section>
                  <h2>{t('samplesByStep')}</h2>
                  <ol class="samples">
                    {curves.samples.map((s, i) => (
                      <li key={i} class="card">
                        <p class="quiet">{t('step', { n: number(s.step) })}{s.reward === null ? '' : ` · ${t('reward', { n: number(s.reward, 2) })}`}</p>
                        <p dir="auto"><strong>{s.prompt}</strong></p>
                        {s.thinking.trim() && <pre class="thought" tabIndex={0}>{s.thinking.trim()}</pre>}
                        <p dir="auto">{s.answer.trim() || <span class="quiet">{t('noAnswer')}</span>}</p>
                        {s.expected && <p class="quiet" dir="auto">{t('expectedAnswer', { answer: s.expected })}</p>}
                      </li>
                    ))}
                  </ol>
                </section>
              )}
            </>
          )}
        </>
      )}
    </main>
  );
}
