// Tables of data, which scroll sideways on their own where the window is narrow; and what is shown once.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

import { t } from '../i18n';

export function Table({ label, heads, numbersFrom = 99, children }: { label: string; heads: string[]; numbersFrom?: number; children: ComponentChildren }) {
  return (
    <div class="table-box" role="region" aria-label={label} tabIndex={0}>
      <table class={`data numbers-${numbersFrom}`}>
        <thead><tr>{heads.map((head, i) => <th key={i} scope="col">{head || <span class="visually-hidden">{t('actions')}</span>}</th>)}</tr></thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

export function Once({ words, value, testId }: { words: string; value: string; testId: string }) {
  const [copied, setCopied] = useState(false);
  return (
    <p class="once" role="status">
      <span>{words}</span> <code class="fresh-key" data-testid={testId}>{value}</code>{' '}
      <button type="button" class="small" onClick={() => void navigator.clipboard.writeText(value).then(() => setCopied(true))}>{copied ? t('copied') : t('copy')}</button>
    </p>
  );
}
