// What a model is, in the reader's language, from what the server says of it in English.
import { language, t } from './index';

/** What the catalogue says a model is good at. */
const CHINESE: Record<string, string> = {
  'mathematics (its base is Qwen2.5-Math), little else': '数学（基于 Qwen2.5-Math），其他方面较弱',
  'mathematics (its base is Qwen2.5-Math), short programs': '数学（基于 Qwen2.5-Math）、短程序',
  'mathematics, general questions (its base is Llama 3.1)': '数学、一般问题（基于 Llama 3.1）',
  'mathematics, programs, general questions (Qwen2.5)': '数学、编程、一般问题（Qwen2.5）',
  'mathematics, programs, science, general questions (Qwen2.5)': '数学、编程、科学、一般问题（Qwen2.5）',
  'mathematics, programs, general questions (Llama 3.3)': '数学、编程、一般问题（Llama 3.3）',
  'everything: DeepSeek-R1 itself': '全能：DeepSeek-R1 本身',
};

export function goodAt(description: string): string {
  return language.value === 'zh' ? (CHINESE[description] ?? description) : description;
}

/** "needs 40 GB of memory, 16 GB are there": why a model does not fit. */
export function whyTooLarge(reason: string): string {
  const [, needed, what, there] = /^needs (.+) of (memory|disk), (.+) are (?:there|free)$/.exec(reason) ?? [];
  return needed && there ? t(what === 'memory' ? 'needsMemory' : 'needsDisk', { needed, there }) : reason;
}
