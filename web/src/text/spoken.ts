// An answer as it is read aloud: its words without marks, code and tables, in pieces that speech engines take.
import { renderMarkdown } from './markdown';

export function spokenText(markdown: string): string {
  const box = document.createElement('template');
  box.innerHTML = renderMarkdown(markdown);
  for (const silent of box.content.querySelectorAll('pre, .table, .citation')) silent.remove();
  for (const formula of box.content.querySelectorAll<HTMLElement>('[data-math]')) formula.textContent = formula.dataset.math ?? '';
  for (const block of box.content.querySelectorAll('p, li, h1, h2, h3, h4, h5, h6, blockquote')) block.append('\n');
  return (box.content.textContent ?? '').replace(/[ \t]+/g, ' ').replace(/\s*\n\s*/g, '\n').trim();
}

const MOST = 220; // characters: some engines stop in longer ones

/** Whole sentences, several to a piece where they are short; never over the end of a paragraph, where a voice pauses. */
export function pieces(text: string): string[] {
  return text.split('\n').flatMap((paragraph) => {
    const out: string[] = [];
    for (const sentence of paragraph.split(/(?<=[.!?。！？；])\s*/)) {
      let rest = sentence.trim();
      while (rest.length > MOST) {
        const space = rest.lastIndexOf(' ', MOST);
        const cut = space > MOST / 2 ? space : MOST;
        out.push(rest.slice(0, cut).trim());
        rest = rest.slice(cut).trim();
      }
      const last = out[out.length - 1];
      if (rest && last !== undefined && last.length + rest.length < MOST) out[out.length - 1] = `${last} ${rest}`;
      else if (rest) out.push(rest);
    }
    return out;
  });
}
