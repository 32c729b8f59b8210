// What the tests do again and again, as a person would.
import { expect, type Locator, type Page } from '@playwright/test';

export async function open(page: Page, address: string): Promise<void> {
  await page.goto(address);
  await page.waitForSelector('[data-ready="true"]');
}

export async function ask(page: Page, text: string): Promise<void> {
  await page.getByTestId('composer').fill(text);
  await page.keyboard.press('Enter');
}

/** The last answer, once it is whole. */
export async function answered(page: Page): Promise<Locator> {
  const answer = page.getByTestId('answer').last();
  await expect(answer).toHaveAttribute('data-state', /done|length|stopped/, { timeout: 60_000 });
  return answer;
}

/** Replaces the server's stream of the next question: for answers that the shipped model would not write. */
export async function fakeAnswer(page: Page, content: string, options: { thinking?: string; pieces?: number; pause?: number } = {}): Promise<void> {
  await page.addInitScript(
    ({ content: text, thinking, pieces, pause }) => {
      const real = window.fetch.bind(window);
      window.fetch = async (input: RequestInfo | URL, init?: RequestInit) => {
        const path = String(input instanceof Request ? input.url : input);
        if (!path.includes('chat/completions') || init?.method !== 'POST' || path.includes('/control')) return real(input, init);
        const line = (delta: object, finish: string | null = null) => `data: ${JSON.stringify({ id: 'chatcmpl-x', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
        const size = Math.max(1, Math.ceil(text.length / pieces));
        const encoder = new TextEncoder();
        const body = new ReadableStream<Uint8Array>({
          async start(controller) {
            if (thinking) controller.enqueue(encoder.encode(line({ reasoning_content: thinking })));
            for (let at = 0; at < text.length; at += size) {
              controller.enqueue(encoder.encode(line({ content: text.slice(at, at + size) })));
              await new Promise((wake) => setTimeout(wake, pause));
            }
            controller.enqueue(encoder.encode(`${line({}, 'stop')}data: [DONE]\n\n`));
            controller.close();
          },
        });
        return new Response(body, { status: 200, headers: { 'Content-Type': 'text/event-stream' } });
      };
    },
    { content, thinking: options.thinking ?? '', pieces: options.pieces ?? 50, pause: options.pause ?? 0 },
  );
}

/** From now on answers arrive slowly, as over a bad line: what happens in mid-stream can be seen. Gives the way back. */
export async function slowly(page: Page, bytesPerSecond = 2500): Promise<() => Promise<void>> {
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  await session.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: bytesPerSecond, uploadThroughput: -1 });
  return async () => {
    await session.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  };
}
