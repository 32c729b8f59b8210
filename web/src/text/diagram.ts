// Diagrams by Mermaid, on demand. Its code needs style elements that the app's policy forbids, so it runs in a frame of
// its own (diagram.html: sandboxed, no network, no access to the page) and gives back an SVG, which is shown as a
// picture: nothing in it can run.
import { t } from '../i18n';

let frame: HTMLIFrameElement | null = null;
let ready: Promise<void> | null = null;
let next = 1;
const waiting = new Map<number, (answer: { svg?: string; error?: string }) => void>();

function start(): Promise<void> {
  ready ??= new Promise((resolve) => {
    frame = document.createElement('iframe');
    frame.setAttribute('sandbox', 'allow-scripts');
    frame.src = 'diagram.html';
    frame.className = 'diagram-maker';
    frame.setAttribute('aria-hidden', 'true');
    frame.tabIndex = -1;
    addEventListener('message', (event) => {
      if (event.source !== frame?.contentWindow) return;
      const message = event.data as { ready?: true; number?: number; svg?: string; error?: string };
      if (message.ready) resolve();
      else if (message.number) {
        waiting.get(message.number)?.(message);
        waiting.delete(message.number);
      }
    });
    document.body.append(frame);
  });
  return ready;
}

async function draw(source: string): Promise<string> {
  await start();
  const number = next++;
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const answer = await new Promise<{ svg?: string; error?: string }>((resolve) => {
    waiting.set(number, resolve);
    setTimeout(() => resolve({ error: 'timeout' }), 8000);
    frame?.contentWindow?.postMessage({ number, source, dark: document.documentElement.dataset.theme ? document.documentElement.dataset.theme === 'dark' : dark }, '*');
  });
  waiting.delete(number);
  if (!answer.svg) throw new Error(answer.error ?? 'no diagram');
  return answer.svg;
}

/** A button above the source; the picture replaces the source when it is asked for. */
export function offerDiagram(framed: HTMLElement, source: string): void {
  if (source.length > 20_000 || framed.querySelector('.draw')) return;
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'draw';
  button.textContent = t('drawDiagram');
  button.onclick = async () => {
    button.disabled = true;
    try {
      const svg = await draw(source);
      const picture = document.createElement('img');
      picture.className = 'diagram';
      picture.alt = t('diagram');
      // As large as it was drawn, where there is room: a picture of two boxes does not fill the page.
      picture.width = Math.ceil(Number(/viewBox="[-\d.]+ [-\d.]+ ([\d.]+)/.exec(svg)?.[1])) || 600;
      picture.src = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }));
      framed.querySelector('pre')?.before(picture);
      button.remove();
    } catch (error) {
      button.disabled = false;
      button.textContent = `${t('noDiagram')}: ${(error as Error).message.split('\n')[0] ?? ''}`;
    }
  };
  framed.querySelector('.code-head')?.insertBefore(button, framed.querySelector('.copy-code'));
}
