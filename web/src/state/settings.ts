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

function stored(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function store(key: string, text: string): void {
  try {
    localStorage.setItem(key, text);
  } catch {
    // private mode or a full store: this session only
  }
}

const OWNER = 'limpid.owner';
/** Who was here last: his settings, and his conversations while the server is away. Empty without accounts. */
export function lastOwner(): string {
  return stored(OWNER) ?? '';
}

let owner = lastOwner();
const keyOf = (whose: string) => (whose ? `${KEY}/${whose}` : KEY);

export const settings = signal<Settings>(readSettings(stored(keyOf(owner)) ?? stored(KEY)));

export function set<K extends keyof Settings>(key: K, value: Settings[K]): void {
  settings.value = { ...settings.value, [key]: value };
}

let written = JSON.stringify(settings.value);
effect(() => {
  const text = JSON.stringify(settings.value);
  if (text === written) return;
  written = text;
  store(keyOf(owner), text);
  // The page where one signs in has the language and the colours of who was here last; nothing else is anybody else's.
  const { language, theme } = settings.value;
  if (owner) store(KEY, JSON.stringify({ ...readSettings(stored(KEY)), language, theme }));
});

function take(found: Settings): void {
  written = JSON.stringify(found);
  settings.value = found;
}

/** Each account has settings of its own in a browser; a new one begins with the browser's, without texts. */
export function settingsOf(name: string): void {
  store(OWNER, name);
  drafts.owner = name ? `${name}/` : '';
  if (name === owner) return;
  const browsers = readSettings(stored(KEY));
  owner = name;
  const own = stored(keyOf(name));
  take(own === null ? { ...browsers, presets: [] } : readSettings(own));
}

/** What another window has chosen holds here, too; but whether the list is in sight is each window's own affair. */
export function followSettings(changed: () => void): void {
  addEventListener('storage', (event) => {
    if (event.key !== keyOf(owner) || event.newValue === null) return;
    take({ ...readSettings(event.newValue), sidebar: settings.value.sidebar });
    changed();
  });
}

effect(() => {
  if (typeof document === 'undefined') return;
  const { theme } = settings.value;
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
});

/** What was typed and not sent, by conversation: this window's (a reload keeps it), or else the last one's. */
export const drafts = {
  owner: owner ? `${owner}/` : '', // of the account, where there are accounts
  get(id: string): string {
    const key = `limpid.draft.${this.owner}${id}`;
    try {
      return sessionStorage.getItem(key) ?? localStorage.getItem(key) ?? '';
    } catch {
      return '';
    }
  },
  set(id: string, text: string): void {
    const key = `limpid.draft.${this.owner}${id}`;
    try {
      const before = sessionStorage.getItem(key) ?? localStorage.getItem(key);
      sessionStorage.setItem(key, text);
      // Sent or wiped out here: what another window is writing stays.
      if (text) localStorage.setItem(key, text);
      else if (localStorage.getItem(key) === before) localStorage.removeItem(key);
    } catch {
      // not kept
    }
  },
};
