// What a reader has chosen, kept in this browser. Anything unreadable or unknown falls back to the default.
import { effect, signal } from '@preact/signals';

export interface Preset {
  id: string;
  name: string;
  text: string;
}

export interface Settings {
  language: 'auto' | 'en' | 'zh';
  theme: 'auto' | 'light' | 'dark';
  model: string; // empty: the server's default
  think: boolean;
  search: boolean;
  effort: 'low' | 'high' | 'max';
  budgetTokens: number; // 0: none
  temperature: number | null; // null: as the model advises
  topP: number | null;
  maxTokens: number; // 0: as many as fit
  history: 'auto' | 'browser' | 'server'; // auto: with the account where there are accounts
  glass: boolean; // ask for probabilities and experts with every answer
  showThinking: 'live' | 'open' | 'closed'; // live: open while it thinks, then closed
  sendKey: 'enter' | 'mod-enter';
  price: { name: string; input: number; cached: number; output: number }; // per million tokens, for comparison
  presets: Preset[];
  sidebar: boolean;
}

export const DEFAULTS: Settings = {
  language: 'auto',
  theme: 'auto',
  model: '',
  think: true,
  search: false,
  effort: 'high',
  budgetTokens: 0,
  temperature: null,
  topP: null,
  maxTokens: 0,
  history: 'auto',
  glass: false,
  showThinking: 'live',
  sendKey: 'enter',
  price: { name: 'deepseek-reasoner (2025)', input: 0.55, cached: 0.14, output: 2.19 },
  presets: [],
  sidebar: true,
};

const KEY = 'limpid.settings';

export function readSettings(text: string | null): Settings {
  const out: Settings = structuredClone(DEFAULTS);
  if (!text) return out;
  try {
    const found = JSON.parse(text) as Record<string, unknown>;
    for (const key of Object.keys(DEFAULTS) as (keyof Settings)[]) {
      const value = found[key];
      const like = DEFAULTS[key];
      const fits = like === null ? value === null || typeof value === 'number' : Array.isArray(like) ? Array.isArray(value) : typeof value === typeof like && value !== null;
      if (fits) (out as unknown as Record<string, unknown>)[key] = value;
    }
  } catch {
    // unreadable: defaults
  }
  return out;
}

function stored(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export const settings = signal<Settings>(readSettings(stored()));

export function set<K extends keyof Settings>(key: K, value: Settings[K]): void {
  settings.value = { ...settings.value, [key]: value };
}

effect(() => {
  const text = JSON.stringify(settings.value);
  try {
    localStorage.setItem(KEY, text);
  } catch {
    // private mode or a full store: this session only
  }
});

effect(() => {
  if (typeof document === 'undefined') return;
  const { theme } = settings.value;
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
});

/** What was typed and not sent, by conversation. */
export const drafts = {
  owner: '', // of the account, where there are accounts
  get(id: string): string {
    try {
      return localStorage.getItem(`limpid.draft.${this.owner}${id}`) ?? '';
    } catch {
      return '';
    }
  },
  set(id: string, text: string): void {
    try {
      if (text) localStorage.setItem(`limpid.draft.${this.owner}${id}`, text);
      else localStorage.removeItem(`limpid.draft.${this.owner}${id}`);
    } catch {
      // not kept
    }
  },
};
