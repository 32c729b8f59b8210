// Reading aloud, by the browser's own voices. One answer at a time; asked again, it stops.
import { signal } from '@preact/signals';

import { pieces, spokenText } from '../text/spoken';

/** The message that is read. */
export const speaking = signal<string | null>(null);

export function speak(message: string, markdown: string): void {
  const again = speaking.value === message;
  speechSynthesis.cancel();
  speaking.value = null;
  if (again) return;
  const list = pieces(spokenText(markdown));
  if (!list.length) return;
  speaking.value = message;
  const chinese = /\p{Script=Han}/u.test(markdown);
  list.forEach((text, index) => {
    const words = new SpeechSynthesisUtterance(text);
    words.lang = chinese ? 'zh-CN' : 'en-US';
    const end = () => { if (speaking.value === message) speaking.value = null; };
    words.onerror = end;
    if (index === list.length - 1) words.onend = end;
    speechSynthesis.speak(words);
  });
}
