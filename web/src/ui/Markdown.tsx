// Shows Markdown that may still stream. Each block is rendered once it is whole; the last one with what arrives, at most
// as often as it costs little (a block that takes long to render waits longer for its next turn). Formulas, colours and
// diagrams are added to finished elements, by code that is loaded when the first one appears.
import { memo } from 'preact/compat';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

import { t } from '../i18n';
import { type Block, BlockSplitter } from '../text/blocks';
import { renderMarkdown } from '../text/markdown';

interface Props {
  text: string;
  streaming?: boolean;
  onCitation?: (number: number) => void;
}

function useBlocks(text: string): Block[] {
  const state = useRef<{ text: string; splitter: BlockSplitter }>({ text: '', splitter: new BlockSplitter() });
  if (state.current.text !== text) {
    const grown = text.startsWith(state.current.text);
    if (!grown) state.current = { text: '', splitter: new BlockSplitter() };
    state.current.splitter.push(text.slice(state.current.text.length));
    state.current.text = text;
  }
  return state.current.splitter.blocks;
}

export function Markdown({ text, streaming = false, onCitation }: Props) {
  const blocks = useBlocks(text);
  const shown = blocks.filter((b) => b.source.trim());
  const click = (event: MouseEvent) => {
    const target = event.target as HTMLElement;
    const citation = target.closest<HTMLElement>('.citation')?.dataset.citation;
    if (citation) onCitation?.(Number(citation));
    const copy = target.closest<HTMLElement>('.copy-code');
    if (copy) void copyCode(copy);
  };
  return (
    // The listener serves buttons inside, which keyboards reach.
    <div class="markdown" onClick={click}>
      {Array.from({ length: Math.ceil(shown.length / CHUNK) }, (_v, chunk) => {
        const part = shown.slice(chunk * CHUNK, (chunk + 1) * CHUNK);
        const last = (chunk + 1) * CHUNK >= shown.length;
        return <Chunk key={chunk} blocks={part} size={part.length} tail={part[part.length - 1]?.source ?? ''} open={streaming && last} />;
      })}
    </div>
  );
}

/** Blocks are compared, and laid out or left alone (content-visibility), by the chunk: ten thousand tokens are a hundred. */
const CHUNK = 24;

const Chunk = memo(
  function Chunk({ blocks, open }: { blocks: Block[]; size: number; tail: string; open: boolean }) {
    return (
      <div class="chunk">
        {blocks.map((block, index) => (
          <BlockView key={index} source={block.source} continued={block.continued} open={open && index === blocks.length - 1} />
        ))}
      </div>
    );
  },
  (before, after) => before.size === after.size && before.tail === after.tail && before.open === after.open && before.blocks[0]?.source === after.blocks[0]?.source,
);

async function copyCode(button: HTMLElement): Promise<void> {
  const code = button.closest('.code')?.querySelector('code')?.textContent ?? '';
  await navigator.clipboard.writeText(code);
  button.textContent = t('copied');
  setTimeout(() => {
    button.textContent = t('copy');
  }, 1500);
}

const BlockView = memo(function BlockView({ source, continued, open }: { source: string; continued: boolean; open: boolean }) {
  const element = useRef<HTMLDivElement>(null);
  const cost = useRef({ spent: 0, at: 0 });
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const [, again] = useState(0);
  const done = useRef('');

  useLayoutEffect(() => {
    const target = element.current;
    if (!target) return;
    const key = `${open ? 'o' : 'w'}${source}`;
    if (done.current === key) return;
    const now = performance.now();
    const pause = open ? cost.current.spent * 6 : 0;
    if (now - cost.current.at < pause) {
      timer.current ??= setTimeout(() => {
        timer.current = null;
        again((n) => n + 1);
      }, pause);
      return;
    }
    target.innerHTML = renderMarkdown(source);
    frameCode(target);
    done.current = key;
    cost.current = { spent: performance.now() - now, at: performance.now() };
    if (!open) void embellish(target);
  });
  useEffect(
    () => () => {
      if (timer.current) clearTimeout(timer.current);
    },
    [],
  );
  return <div ref={element} class={continued ? 'block continued' : 'block'} />;
});

/** A head with the language and a button to copy, around every block of code. */
function frameCode(target: HTMLElement): void {
  for (const pre of target.querySelectorAll('pre')) {
    const language = pre.dataset.language ?? '';
    const frame = document.createElement('div');
    frame.className = 'code';
    const head = document.createElement('div');
    head.className = 'code-head';
    const name = document.createElement('span');
    name.textContent = language || t('code');
    const copy = document.createElement('button');
    copy.type = 'button';
    copy.className = 'copy-code';
    copy.textContent = t('copy');
    head.append(name, copy);
    pre.replaceWith(frame);
    pre.tabIndex = 0;
    pre.setAttribute('role', 'region');
    pre.setAttribute('aria-label', language || t('code'));
    frame.append(head, pre);
  }
  for (const table of target.querySelectorAll<HTMLElement>('.table')) {
    table.tabIndex = 0;
    table.setAttribute('role', 'region');
    table.setAttribute('aria-label', t('table'));
  }
}

async function embellish(target: HTMLElement): Promise<void> {
  const formulas = target.querySelectorAll<HTMLElement>('.math');
  if (formulas.length) {
    const { showFormula } = await import('../text/formula');
    for (const formula of formulas) showFormula(formula);
  }
  for (const pre of target.querySelectorAll<HTMLElement>('pre[data-language]')) {
    const language = pre.dataset.language as string;
    const code = pre.querySelector('code');
    if (!code || !language) continue;
    if (language === 'mermaid') {
      const { offerDiagram } = await import('../text/diagram');
      offerDiagram(pre.parentElement as HTMLElement, code.textContent ?? '');
    } else {
      const { highlight } = await import('../text/highlight');
      highlight(code, language);
    }
  }
}
