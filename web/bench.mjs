// What the app costs a reader, against the real program in Chromium: until it is ready to type, and the longest pause
// between two frames while an answer of ten thousand tokens streams in.   node web/bench.mjs [BINARY]
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from '@playwright/test';

const binary = process.argv[2] ?? 'build/limpid';
const home = mkdtempSync(join(tmpdir(), 'limpid-bench-'));
const server = spawn(binary, ['serve', '--port', '0', '--data', join(home, 'data')], { env: { ...process.env, LIMPID_HOME: join(home, 'store') } });
const address = await new Promise((resolve, reject) => {
  server.stdout.on('data', (bytes) => {
    const found = /http:\/\/127\.0\.0\.1:\d+/.exec(bytes.toString());
    if (found) resolve(found[0]);
  });
  server.on('exit', (code) => reject(new Error(`limpid serve ended with ${code}`)));
});

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
  const ready = [];
  for (let i = 0; i < 7; i += 1) {
    const page = await (await browser.newContext()).newPage();
    await page.goto(address);
    await page.waitForSelector('[data-ready="true"]');
    ready.push(await page.evaluate(() => performance.now()));
    await page.context().close();
  }
  console.log(`ready to type: ${Math.round(median(ready))} ms (median of ${ready.length}, empty caches)`);

  const page = await browser.newPage({ viewport: { width: 1280, height: 860 } });
  const text = Array.from({ length: 400 }, (_v, i) => `## Part ${i}\n\nSome **text** with \`code\` and a list:\n\n1. one\n2. two\n\n\`\`\`js\nconst a = ${i};\n\`\`\`\n`).join('\n');
  await page.addInitScript((answer) => {
    const real = window.fetch.bind(window);
    window.fetch = async (input, init) => {
      if (!String(input).includes('chat/completions') || init?.method !== 'POST') return real(input, init);
      const encoder = new TextEncoder();
      const line = (delta, finish = null) => encoder.encode(`data: ${JSON.stringify({ id: 'x', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`);
      return new Response(new ReadableStream({
        async start(controller) {
          const size = Math.ceil(answer.length / 2000); // 2000 pieces of about five tokens, 10 ms apart: 500 tokens a second
          for (let at = 0; at < answer.length; at += size) {
            controller.enqueue(line({ content: answer.slice(at, at + size) }));
            await new Promise((wake) => setTimeout(wake, 10));
          }
          controller.enqueue(line({}, 'stop'));
          controller.enqueue(encoder.encode('data: [DONE]\n\n'));
          controller.close();
        },
      }), { status: 200 });
    };
  }, text);
  await page.goto(address);
  await page.waitForSelector('[data-ready="true"]');
  await page.evaluate(() => {
    window.gaps = [];
    let last = performance.now();
    const tick = (now) => {
      window.gaps.push(now - last);
      last = now;
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  });
  await page.getByTestId('composer').fill('x');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('[data-testid=answer]')?.dataset.state === 'done', null, { timeout: 180_000 });
  const gaps = (await page.evaluate(() => window.gaps)).sort((a, b) => a - b);
  const at = (share) => Math.round(gaps[Math.min(gaps.length - 1, Math.floor(gaps.length * share))]);
  console.log(`between frames while 10,000 tokens stream: median ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms, over 50 ms ${gaps.filter((g) => g > 50).length} of ${gaps.length}`);
} finally {
  await browser.close();
  server.kill();
  rmSync(home, { recursive: true, force: true });
}
