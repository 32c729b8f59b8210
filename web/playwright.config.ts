import { cpus } from 'node:os';

import { defineConfig } from '@playwright/test';

// Against the real program (LIMPID_BINARY, with the app built in) and the model it carries, in Debian's Chromium.
export default defineConfig({
  testDir: 'tests/e2e',
  timeout: 60_000,
  expect: { timeout: 15_000 },
  fullyParallel: false,
  workers: Math.min(2, cpus().length), // each with a server of its own; much of a test's time is waiting
  retries: 0,
  reporter: [['line']],
  outputDir: 'test-results',
  use: {
    browserName: 'chromium',
    viewport: { width: 1280, height: 860 },
    locale: 'en-US',
    launchOptions: { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] },
    screenshot: 'only-on-failure',
  },
});
