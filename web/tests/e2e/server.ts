// A server of its own for a test file: the real binary with the built-in model, on a free port, with an empty store.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { type BrowserContext, expect, test as base } from '@playwright/test';

const BINARY = process.env.LIMPID_BINARY ?? fileURLToPath(new URL('../../../build/limpid', import.meta.url));

export class Server {
  url = '';
  port = 0;
  private child: ChildProcess | null = null;

  constructor(
    private readonly extra: string[] = [],
    private readonly env: Record<string, string> = {},
    readonly home: string = mkdtempSync(join(tmpdir(), 'limpid-e2e-')),
  ) {}

  /** Any other command of the program, on this server's folders. */
  run(args: string[], input = ''): string {
    return execFileSync(BINARY, args, { input, env: this.surroundings(), encoding: 'utf8', stdio: 'pipe' });
  }

  private surroundings(): NodeJS.ProcessEnv {
    return { ...process.env, LIMPID_HOME: join(this.home, 'store'), XDG_CONFIG_HOME: join(this.home, 'config'), ...this.env };
  }

  async start(): Promise<void> {
    const args = ['serve', '--port', String(this.port), '--data', join(this.home, 'data'), ...this.extra];
    const child = spawn(BINARY, args, { env: this.surroundings() });
    this.child = child;
    let said = '';
    this.url = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`limpid serve said nothing: ${said}`)), 30_000);
      child.stdout?.on('data', (bytes: Buffer) => {
        said += bytes.toString();
        const found = /(http:\/\/127\.0\.0\.1:(\d+))/.exec(said);
        if (!found) return;
        clearTimeout(timer);
        this.port = Number(found[2]);
        resolve(`${found[1] as string}/`);
      });
      child.stderr?.on('data', (bytes: Buffer) => { said += bytes.toString(); });
      child.on('exit', (code) => reject(new Error(`limpid serve ended with ${code}: ${said}`)));
    });
  }

  async kill(): Promise<void> {
    const child = this.child;
    this.child = null;
    if (!child || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** Whoever a page asks that is no server of these tests: nobody, ever. */
export function watch(context: BrowserContext): string[] {
  const foreign: string[] = [];
  context.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (protocol !== 'blob:' && protocol !== 'data:' && hostname !== '127.0.0.1') foreign.push(request.url());
  });
  return foreign;
}

export const test = base.extend<{ address: string; nobodyElse: void }, { server: Server }>({
  nobodyElse: [
    async ({ context }, use) => {
      const foreign = watch(context);
      await use();
      expect(foreign).toEqual([]);
    },
    { auto: true },
  ],
  server: [
    async ({}, use) => {
      const server = new Server();
      await server.start();
      await use(server);
      await server.stop();
    },
    { scope: 'worker' },
  ],
  address: async ({ server }, use) => use(server.url),
});
export { expect };
