import preact from '@preact/preset-vite';
import { defineConfig } from 'vite';

// What is loaded first stays small (KaTeX and pdf.js are chunks of their own, fetched when something needs them; Mermaid
// is built by vite.diagram.config.ts), and nothing is inlined: the server's content security policy allows files from
// its own address only.
export default defineConfig({
  plugins: [preact({ devToolsEnabled: false })],
  base: './',
  build: { target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 1500 },
  server: { proxy: { '/v1': 'http://127.0.0.1:8080', '/api': 'http://127.0.0.1:8080', '/beta': 'http://127.0.0.1:8080', '/tokenize': 'http://127.0.0.1:8080' } },
  test: { environment: 'jsdom', include: ['tests/unit/**/*.test.ts', 'tests/unit/**/*.test.tsx'] },
} as never);
