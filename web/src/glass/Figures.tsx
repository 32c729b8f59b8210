// What an answer took, in a line below it.
import { number, t } from '../i18n';
import { models } from '../state/app';
import { settings } from '../state/settings';
import type { Message } from '../state/tree';

/** What the same tokens cost at a public price, in that price's currency. */
export function publicCost(usage: { prompt_tokens: number; completion_tokens: number; prompt_cache_hit_tokens?: number }, price: { input: number; cached: number; output: number }): number {
  const hit = usage.prompt_cache_hit_tokens ?? 0;
  return ((usage.prompt_tokens - hit) * price.input + hit * price.cached + usage.completion_tokens * price.output) / 1e6;
}

export function Figures({ message }: { message: Message }) {
  const figures = message.figures;
  const usage = figures?.usage;
  if (!figures || !usage) return null;
  const context = models.value.find((m) => m.id === message.model)?.context_length ?? 0;
  const parts = [
    figures.tokensPerSecond ? t('tokensPerSecond', { n: number(figures.tokensPerSecond, figures.tokensPerSecond < 20 ? 1 : 0) }) : '',
    t('tokensWritten', { n: number(usage.completion_tokens) }),
    ...(settings.value.glass ? [
    context ? t('contextOf', { n: number(usage.total_tokens), all: number(context) }) : '',
    t('tokensRead', { n: number(usage.prompt_tokens), cached: number(usage.prompt_cache_hit_tokens ?? 0) }),
    t('publicCost', { cost: number(publicCost(usage, settings.value.price), 5), name: settings.value.price.name }),
    ] : []),
  ].filter(Boolean);
  return <p class="figures quiet" data-testid="figures">{parts.join(' · ')}</p>;
}
