// Models: what is here (one click switches), what fits this machine with its size and expected speed (one click fetches,
// with progress), and what does not fit and why.
import { useEffect, useState } from 'preact/hooks';

import { api } from '../api/client';
import type { PlannedModel, PullState } from '../api/types';
import { bytes, number, t } from '../i18n';
import { goodAt, whyTooLarge } from '../i18n/describe';
import { explain } from '../i18n/explain';
import { connect, info, model, models, say } from '../state/app';
import { set } from '../state/settings';

/** What fits this machine and is not here yet; one click fetches. `most`: the best ones only. */
export function Fits({ most = 1000 }: { most?: number }) {
  const [plan, setPlan] = useState<PlannedModel[] | null>(null);
  const [pulls, setPulls] = useState<Record<string, PullState>>({});
  const canPull = info.value?.features.pull ?? false;
  const load = () => void api.plan().then(setPlan, () => setPlan([]));
  useEffect(load, []);
  const running = Object.values(pulls).some((p) => p.state === 'running');
  useEffect(() => {
    if (!canPull) return undefined;
    const look = async () => {
      try {
        const now = await api.pulls();
        setPulls((before) => {
          for (const p of now) if (p.state === 'done' && before[p.name]?.state === 'running') {
            say(t('pulled', { name: p.name }));
            void connect().then(load);
          }
          return Object.fromEntries(now.map((p) => [p.name, p]));
        });
      } catch {
        // asked again in a moment
      }
    };
    void look();
    const timer = setInterval(() => void look(), running ? 700 : 5000);
    return () => clearInterval(timer);
  }, [running, canPull]);
  const pull = async (name: string) => {
    try {
      const state = await api.pull(name);
      setPulls((have) => ({ ...have, [name]: state }));
    } catch (error) {
      say(explain(error), 'error');
    }
  };
  if (plan === null) return <p role="status">{t('measuring')}</p>;
  const absent = plan.filter((m) => !m.here);
  const large = absent.filter((m) => !m.fits);
  return (
    <>
      <ul class="cards">
        {absent.filter((m) => m.fits).slice(0, most).map((m) => <Planned key={m.name} model={m} pull={pulls[m.name]} canPull={canPull} onPull={() => void pull(m.name)} onCancel={() => void api.cancelPull(m.name)} />)}
      </ul>
      {most > 10 && large.length > 0 && (
        <details>
          <summary>{t('modelsTooLarge')}</summary>
          <ul class="cards">{large.map((m) => <li key={m.name} class="card"><h3>{m.title}</h3><p>{goodAt(m.description)}</p><p class="quiet">{bytes(m.bytes)}{m.reason ? ` · ${whyTooLarge(m.reason)}` : ''}</p></li>)}</ul>
        </details>
      )}
    </>
  );
}

export function Models() {
  return (
    <main class="page" aria-label={t('models')} data-testid="models-page">
      <h1>{t('models')}</h1>
      <h2>{t('modelsHere')}</h2>
      <ul class="cards">
        {models.value.map((m) => (
          <li key={m.id} class={`card ${m.id === model.value?.id ? 'chosen' : ''}`}>
            <h3>{m.id} {m.loaded && <span class="tag">{t('loaded')}</span>}</h3>
            <p>{m.id === 'r1-nano' ? t('nanoCan') : kind(m.description ?? '')}</p>
            <p class="quiet">
              {[m.parameters ? t('parameters', { n: compact(m.parameters), active: compact(m.active_parameters ?? m.parameters) }) : '', m.bytes ? bytes(m.bytes) : '', m.context_length ? t('contextTokens', { n: number(m.context_length) }) : '', m.thinks ? t('thinks') : ''].filter(Boolean).join(' · ')}
            </p>
            {m.id === model.value?.id ? <span class="tag">{t('inUse')}</span> : <button type="button" class="primary" onClick={() => set('model', m.id)}>{t('use')}</button>}
          </li>
        ))}
      </ul>
      {info.value?.features.plan && (
        <>
          <h2>{t('modelsFit')}</h2>
          <Fits />
        </>
      )}
    </main>
  );
}

/** "qwen2, 1543.7 million parameters, Q4_K": the number stands in the line below, in the reader's language. */
function kind(description: string): string {
  return description.replace(/, [\d.]+ million parameters/, '');
}

function compact(value: number): string {
  return value >= 1e9 ? `${number(value / 1e9, value < 1e10 ? 1 : 0)} B` : `${number(value / 1e6, value < 1e7 ? 1 : 0)} M`;
}

function Planned({ model: m, pull, canPull, onPull, onCancel }: { model: PlannedModel; pull: PullState | undefined; canPull: boolean; onPull: () => void; onCancel: () => void }) {
  return (
    <li class="card">
      <h3>{m.title}</h3>
      {m.description && <p>{goodAt(m.description)}</p>}
      <p class="quiet">{bytes(m.bytes)}{m.tokens_per_second ? ` · ${t('expected', { n: number(m.tokens_per_second, m.tokens_per_second < 10 ? 1 : 0) })}` : ''}</p>
      {pull?.state === 'running' ? (
        <div>
          <progress max={Math.max(1, pull.total)} value={pull.done} aria-label={t('fetching', { name: m.title })} />
          <p class="quiet">{bytes(pull.done)} / {bytes(pull.total)}{pull.bytes_per_second ? ` · ${bytes(pull.bytes_per_second)}/s` : ''}</p>
          <button type="button" onClick={onCancel}>{t('cancel')}</button>
        </div>
      ) : (
        canPull && <button type="button" class="primary" onClick={onPull}>{pull?.state === 'failed' ? t('tryAgain') : t('fetch')}</button>
      )}
      {pull?.state === 'failed' && <p class="problem" role="alert">{pull.error}</p>}
    </li>
  );
}
