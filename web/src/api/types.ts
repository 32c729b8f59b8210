// The shapes of the server's JSON that the app reads (docs/api.md). Everything that may be missing is optional: the app
// also talks to servers that have no accounts, no folders or no training runs.

export interface WireMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
  reasoning_content?: string;
  prefix?: boolean;
}

export interface Alternative {
  token: string;
  logprob: number;
  bytes?: number[] | null;
}
export interface TokenLogprob extends Alternative {
  top_logprobs?: Alternative[];
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_cache_hit_tokens?: number;
  prompt_cache_miss_tokens?: number;
  completion_tokens_details?: { reasoning_tokens?: number };
}

export interface Timings {
  prompt_per_second?: number;
  predicted_per_second?: number;
  queue_seconds?: number;
  prefill_seconds?: number;
  decode_seconds?: number;
}

export interface ChatChunk {
  id: string;
  model?: string;
  choices: {
    index: number;
    delta: { role?: string; content?: string | null; reasoning_content?: string | null };
    logprobs?: { content?: TokenLogprob[] | null; reasoning_content?: TokenLogprob[] | null } | null;
    finish_reason?: string | null;
    limpid?: { experts?: { layers: { layer: number; ids: number[] }[] }[]; content_was_reasoning?: boolean };
  }[];
  usage?: Usage | null;
  timings?: Timings | null;
  error?: { message: string; code?: string };
}

export interface ModelInfo {
  id: string;
  description?: string;
  context_length?: number;
  thinks?: boolean;
  loaded?: boolean;
  parameters?: number;
  active_parameters?: number;
  bytes?: number;
}

/** As /v1/models lists it; names that stand for another model are left out of the app. */
export interface ListedModel {
  id: string;
  limpid?: {
    description?: string;
    parameters?: number;
    active_parameters?: number;
    bytes?: number;
    context?: number;
    thinks?: boolean;
    loaded?: boolean;
    stands_for?: string;
  };
}

export interface PlannedModel {
  name: string;
  title: string;
  description: string;
  bytes: number;
  fits: boolean;
  tokens_per_second?: number;
  here: boolean;
  reason?: string;
}

export interface PullState {
  name: string;
  done: number;
  total: number;
  state: 'running' | 'done' | 'failed' | 'cancelled';
  error?: string;
  bytes_per_second?: number;
}

export interface AppInfo {
  version: string;
  team: boolean;
  user?: { name: string; role: 'user' | 'admin'; tier: string; csrf: string };
  /** Signed in, but not let in yet. */
  waiting?: { name: string; place: number; waiting: number; csrf: string };
  default_model: string;
  offline: boolean;
  features: { history: boolean; folders: boolean; runs: boolean; plan: boolean; pull: boolean };
}

export interface Passage {
  number: number;
  id: string;
  file: string;
  title: string;
  text: string;
  score: number;
}
export interface Folder {
  id: string;
  path: string;
  files: number;
  passages: number;
  state: 'ready' | 'indexing' | 'failed';
  error?: string;
  unread_pdfs?: number;
}

export interface TrainingRun {
  name: string;
  recipe?: string;
  stages: { name: string; kind: string; state: string }[];
}
export interface RunCurves {
  name: string;
  stage: string;
  columns: string[];
  rows: (number | null)[][];
  samples: { step: number; prompt: string; thinking: string; answer: string; expected?: string; reward: number | null }[];
}
