// The parts of the glass box, fetched when the first of them is shown.
import { lazy } from './lazy';

const box = () => import('../glass/GlassBox');

export const GlassBox = lazy(() => box().then((m) => m.GlassBox), true);
export const Live = lazy(() => box().then((m) => m.Live), true);
export const TokenText = lazy(() => import('../glass/TokenText').then((m) => m.TokenText), true);
