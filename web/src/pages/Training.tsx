// A recipe's run: its stages, their curves (loss, reward, length, expert balance ...) and samples of thinking by step.
// A run that goes on is read again every few seconds.
import { useEffect, useState } from 'preact/hooks';

import { api } from '../api/client';
import type { RunCurves, TrainingRun } from '../api/types';
import { Chart } from '../glass/Chart';
import { number, t } from '../i18n';
import { explain } from '../i18n/explain';
import { go, say } from '../state/app';

export function Training({ run, stage }: { run: string; stage: string }) {
  const [runs, setRuns] = useState<TrainingRun[] | null>(null);
  const [curves, setCurves] = useState<RunCurves | null>(null);
  useEffect(() => {
    const load = () => api.runs().then(setRuns, (error: Error) => say(explain(error), 'error'));
    void load();
    const timer = setInterval(() => void load(), 5000);
    return () => clearInterval(timer);
  }, []);
  const chosen = runs?.find((r) => r.name === run) ?? (run ? undefined : runs?.[0]);
  const chosenStage = chosen?.stages.find((s) => s.name === stage) ?? chosen?.stages.find((s) => s.state === 'running') ?? chosen?.stages[0];
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
  const step = curves?.columns.indexOf('step') ?? -1;
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
                  {s.name} <span class="quiet">{s.state}</span>
                </button>
              ))}
            </div>
          </div>
          {curves && (
            <>
              <div class="charts">
                {curves.columns.map((column, index) => index !== step && (
                  <Chart key={column} name={column} points={curves.rows.flatMap((row, i): [number, number][] => (typeof row[index] === 'number' ? [[step >= 0 ? (row[step] ?? i) : i, row[index] as number]] : []))} />
                ))}
              </div>
              {curves.samples.length > 0 && (
                <section>
                  <h2>{t('samplesByStep')}</h2>
                  <ol class="samples">
                    {curves.samples.map((s, i) => (
                      <li key={i} class="card">
                        <p class="quiet">{t('step', { n: number(s.step) })}{s.reward === null ? '' : ` · ${t('reward', { n: number(s.reward, 2) })}`}</p>
                        <p dir="auto"><strong>{s.prompt}</strong></p>
                        {s.thinking && <pre class="thought" tabIndex={0}>{s.thinking}</pre>}
                        <p dir="auto">{s.answer}</p>
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
