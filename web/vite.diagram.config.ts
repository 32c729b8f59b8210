import { defineConfig } from 'vite';

// The inside of diagram.html as one classic script: the sandboxed frame has no origin, and modules would need one.
export default defineConfig({
  build: {
    target: 'es2022',
    emptyOutDir: false,
    copyPublicDir: false,
    chunkSizeWarningLimit: 4000,
    rollupOptions: { input: 'src/diagram.ts', output: { format: 'iife', inlineDynamicImports: true, entryFileNames: 'assets/diagram.js' } },
  },
});
