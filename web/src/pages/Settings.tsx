// Everything that a reader can choose, and the ways in and out for conversations.
import type { ComponentChildren } from 'preact';
import { useRef, useState } from 'preact/hooks';

import { t } from '../i18n';
import { conversations, info, models, say } from '../state/app';
import { openHistory } from '../state/session';
import { DEFAULTS, set, settings, type Settings as Values } from '../state/settings';
import { fromExport, toJson } from '../state/transfer';
import { newId } from '../state/tree';
import { confirm } from '../ui/dialogs';
import { IconButton } from '../ui/icons';
import { save } from '../ui/save';
import { importInto } from '../ui/Sidebar';

function Field({ label, hint, children }: { label: string; hint?: string; children: ComponentChildren }) {
  return <label class="field"><span class="label">{label}</span>{children}{hint && <span class="quiet">{hint}</span>}</label>;
}

function Choice<K extends keyof Values>({ name, label, options, hint }: { name: K; label: string; options: [Values[K] & string, string][]; hint?: string }) {
  return (
    <Field label={label} {...(hint ? { hint } : {})}>
      <select value={settings.value[name] as string} onChange={(e) => set(name, e.currentTarget.value as Values[K])}>
        {options.map(([value, words]) => <option key={value} value={value}>{words}</option>)}
      </select>
    </Field>
  );
}

function NumberField({ label, hint, value, step, min, max, onChange }: { label: string; hint?: string; value: number | null; step: number; min: number; max: number; onChange: (value: number | null) => void }) {
  return (
    <Field label={label} {...(hint ? { hint } : {})}>
      <input type="number" value={value ?? ''} step={step} min={min} max={max} onChange={(e) => {
        const found = e.currentTarget.value === '' ? null : Number(e.currentTarget.value);
        onChange(found === null || Number.isNaN(found) ? null : Math.min(max, Math.max(min, found)));
      }} />
    </Field>
  );
}

function Presets() {
  const presets = settings.value.presets;
  const change = (id: string, by: { name?: string; text?: string }) => set('presets', presets.map((p) => (p.id === id ? { ...p, ...by } : p)));
  return (
    <section>
      <h2>{t('presets')}</h2>
      <p class="quiet">{t('presetsHint')}</p>
      {presets.map((p) => (
        <div class="preset" key={p.id}>
          <input type="text" value={p.name} aria-label={t('presetName')} onInput={(e) => change(p.id, { name: e.currentTarget.value })} />
          <textarea rows={3} value={p.text} aria-label={t('systemPrompt')} onInput={(e) => change(p.id, { text: e.currentTarget.value })} />
          <IconButton icon="trash" label={t('delete')} onClick={() => set('presets', presets.filter((x) => x.id !== p.id))} />
        </div>
      ))}
      <button type="button" onClick={() => set('presets', [...presets, { id: newId(), name: t('newPreset'), text: '' }])}>{t('addPreset')}</button>
    </section>
  );
}

export function Settings() {
  const [busy, setBusy] = useState(false);
  const picker = useRef<HTMLInputElement>(null);
  const value = settings.value;
  const importFile = async (file: File) => {
    setBusy(true);
    try {
      say(t('imported', { n: importInto(fromExport(await file.text())) }));
    } catch {
      say(t('importFailed', { name: file.name }), 'error');
    }
    setBusy(false);
  };
  return (
    <main class="page" aria-label={t('settings')} data-testid="settings-page">
      <h1>{t('settings')}</h1>
      <section>
        <h2>{t('appearance')}</h2>
        <Choice name="language" label={t('language')} options={[['auto', t('automatic')], ['en', 'English'], ['zh', '中文']]} />
        <Choice name="theme" label={t('theme')} options={[['auto', t('automatic')], ['light', t('themeLight')], ['dark', t('themeDark')]]} />
        <Choice name="sendKey" label={t('sendWith')} options={[['enter', 'Enter'], ['mod-enter', 'Ctrl/⌘ Enter']]} />
      </section>
      <section>
        <h2>{t('answers')}</h2>
        <Field label={t('model')}>
          <select value={value.model} onChange={(e) => set('model', e.currentTarget.value)}>
            <option value="">{t('defaultModel', { name: info.value?.default_model ?? '' })}</option>
            {models.value.map((m) => <option key={m.id} value={m.id}>{m.id}</option>)}
          </select>
        </Field>
        <Choice name="effort" label={t('effort')} options={[['low', t('effortLow')], ['high', t('effortHigh')], ['max', t('effortMax')]]} />
        <NumberField label={t('budget')} hint={t('budgetHint')} value={value.budgetTokens} step={64} min={0} max={1_000_000} onChange={(n) => set('budgetTokens', n ?? 0)} />
        <Choice name="showThinking" label={t('showThinking')} options={[['live', t('showThinkingLive')], ['open', t('showThinkingOpen')], ['closed', t('showThinkingClosed')]]} />
        <NumberField label={t('temperature')} hint={t('asAdvised')} value={value.temperature} step={0.1} min={0} max={2} onChange={(n) => set('temperature', n)} />
        <NumberField label="top-p" hint={t('asAdvised')} value={value.topP} step={0.05} min={0.01} max={1} onChange={(n) => set('topP', n)} />
        <NumberField label={t('maxTokens')} hint={t('maxTokensHint')} value={value.maxTokens} step={256} min={0} max={1_000_000} onChange={(n) => set('maxTokens', n ?? 0)} />
      </section>
      <section>
        <h2>{t('comparePrice')}</h2>
        <p class="quiet">{t('comparePriceHint')}</p>
        <Field label={t('priceName')}><input type="text" value={value.price.name} onChange={(e) => set('price', { ...value.price, name: e.currentTarget.value })} /></Field>
        {(['input', 'cached', 'output'] as const).map((k) => (
          <NumberField key={k} label={t(k === 'input' ? 'priceInput' : k === 'cached' ? 'priceCached' : 'priceOutput')} value={value.price[k]} step={0.01} min={0} max={10_000} onChange={(n) => set('price', { ...value.price, [k]: n ?? DEFAULTS.price[k] })} />
        ))}
      </section>
      <Presets />
      <section>
        <h2>{t('conversations')}</h2>
        {info.value?.features.history && (
          <Field label={t('history')} hint={t('historyHint')}>
            <select value={value.history} onChange={(e) => {
              set('history', e.currentTarget.value as Values['history']);
              void openHistory();
            }}>
              <option value="auto">{t('automatic')}</option>
              <option value="browser">{t('historyBrowser')}</option>
              <option value="server">{t('historyServer')}</option>
            </select>
          </Field>
        )}
        <div class="row">
          <button type="button" onClick={() => save('limpid-conversations.json', toJson(Object.values(conversations.value)), 'application/json')}>{t('exportAll')}</button>
          <button type="button" disabled={busy} onClick={() => picker.current?.click()}>{t('import')}</button>
          <input ref={picker} type="file" accept="application/json,.json" hidden aria-hidden="true" data-testid="import-file" onChange={(e) => { const file = e.currentTarget.files?.[0]; e.currentTarget.value = ''; if (file) void importFile(file); }} />
          <button type="button" class="danger" onClick={() => confirm(t('resetSettingsAsk'), t('resetSettings'), () => { settings.value = structuredClone(DEFAULTS); })}>{t('resetSettings')}</button>
        </div>
        <p class="quiet">{t('importHint')}</p>
      </section>
      <p class="quiet">limpid {info.value?.version}</p>
    </main>
  );
}
