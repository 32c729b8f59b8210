// Which token is looked at: the token's text, the strip and the map of experts show the same one.
import { signal } from '@preact/signals';

export const glassFocus = signal<{ message: string; index: number } | null>(null);
