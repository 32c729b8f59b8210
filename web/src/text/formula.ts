// Formulas by KaTeX, built as elements (not as HTML text with styles, which the content security policy forbids).
// Limits keep a hostile formula from taking the page: its length, its expansions, its size.
import katex from 'katex';
import 'katex/dist/katex.min.css';

export function showFormula(element: HTMLElement): void {
  const source = element.dataset.math ?? '';
  if (!source || source.length > 5000) return;
  try {
    katex.render(source, element, {
      displayMode: element.dataset.display === '1',
      throwOnError: true,
      trust: false,
      strict: 'ignore',
      maxExpand: 200,
      maxSize: 20,
      output: 'htmlAndMathml',
    });
  } catch {
    element.textContent = source; // not a formula that KaTeX knows: shown as it was written
    element.classList.add('math-source');
  }
}
