// Words in the reader's language. `t('key', {n: 3})` puts values in for {n}; {n, file, files} takes the word along that
// goes with the number. en.ts is the list of keys; a language that
// lacks one does not compile.
import { computed } from '@preact/signals';

import { settings } from '../state/settings';
import { en } from './en';
import { zh } from './zh';

export type Key = keyof typeof en;
export type Language = 'en' | 'zh';
const words: Record<Language, Record<Key, string>> = { en, zh };

export function languageOf(chosen: 'auto' | Language, browser: readonly string[]): Language {
  if (chosen !== 'auto') return chosen;
  return browser[0]?.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

export const language = computed<Language>(() =>
  languageOf(settings.value.language, typeof navigator === 'undefined' ? [] : navigator.languages),
);

export function t(key: Key, values: Record<string, string | number> = {}): string {
  return words[language.value][key].replace(/\{(\w+)(?:, ([^,}]+), ([^,}]+))?\}/g, (whole, name: string, one?: string, more?: string) => {
    const value = values[name];
    return value === undefined ? whole : more ? `${value} ${String(value) === '1' ? one : more}` : String(value);
  });
}

export function number(value: number, digits = 0): string {
  return value.toLocaleString(language.value === 'zh' ? 'zh-CN' : 'en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits });
}

export function bytes(value: number): string {
  if (value >= 1e9) return `${number(value / 1e9, 1)} GB`;
  if (value >= 1e6) return `${number(value / 1e6, value < 1e7 ? 1 : 0)} MB`;
  return `${number(Math.max(1, value / 1e3))} kB`;
}

export function seconds(value: number): string {
  if (value < 9.95) return t('seconds', { n: number(value, 1) });
  if (value < 90) return t('seconds', { n: Math.round(value) });
  return t('minutes', { m: Math.floor(value / 60), s: Math.round(value % 60) });
}

export function when(time: number, now = Date.now()): string {
  const days = Math.floor((startOfDay(now) - startOfDay(time)) / 86_400_000);
  if (days <= 0) return t('today');
  if (days === 1) return t('yesterday');
  if (days < 7) return t('lastWeek');
  if (days < 30) return t('lastMonth');
  return new Date(time).toLocaleDateString(language.value === 'zh' ? 'zh-CN' : 'en-US', { year: 'numeric', month: 'long' });
}

function startOfDay(time: number): number {
  return new Date(time).setHours(0, 0, 0, 0);
}
