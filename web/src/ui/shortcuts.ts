// Keys that work anywhere. With Ctrl (or Cmd), so that they never take a letter that is typed.
import { continueAnswer, regenerate, runOf, stop, stopThinking } from '../state/answer';
import { current, go, shown, startNew } from '../state/app';
import { set, settings } from '../state/settings';
import { paletteOpen } from './Palette';

export function onKey(event: KeyboardEvent): void {
  if (event.isComposing) return;
  const mod = event.ctrlKey || event.metaKey;
  const run = runOf(current.value.id);
  const key = event.key.toLowerCase();
  const last = shown.value[shown.value.length - 1];
  const act = (what: () => void) => {
    event.preventDefault();
    what();
  };
  if (event.key === 'Escape' && run && !document.querySelector('dialog[open]')) return act(() => stop(run.message));
  if (!mod) return undefined;
  if (key === 'k') return act(() => { paletteOpen.value = !paletteOpen.value; });
  if (key === 'b' && !event.shiftKey) return act(() => set('sidebar', !settings.value.sidebar));
  if (key === 'o' && event.shiftKey) return act(() => startNew());
  if (key === '.') return act(() => set('think', !settings.value.think));
  if (key === ',') return act(() => go('#/settings'));
  if (event.key === 'Enter' && event.shiftKey && run?.phase === 'thinking') return act(() => stopThinking(run.message));
  if (key === 'g' && event.shiftKey && !run && last?.role === 'assistant') return act(() => regenerate(last.id));
  if (key === 'e' && event.shiftKey && !run && last?.role === 'assistant') return act(() => continueAnswer(last.id));
  return undefined;
}
