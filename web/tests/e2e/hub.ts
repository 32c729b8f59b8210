// A stand-in for the Hugging Face hub, on this machine: one repository with the files of a folder, sent slowly enough to
// watch. HF_ENDPOINT leads the program to it.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';

export class FakeHub {
  private readonly files = new Map<string, Buffer>();
  private server: HttpServer | null = null;
  url = '';
  /** Answers that are refused from now on. */
  faults = 0;
  /** Milliseconds that a large file takes. */
  slow = 1500;

  constructor(folder: string) {
    for (const name of readdirSync(folder)) this.files.set(name, readFileSync(join(folder, name)));
  }

  async start(): Promise<void> {
    this.server = createServer((request, response) => {
      const path = (request.url ?? '').split('?')[0] ?? '';
      const json = (value: unknown) => {
        response.setHeader('Content-Type', 'application/json');
        response.end(JSON.stringify(value));
      };
      if (this.faults > 0) {
        this.faults -= 1;
        response.statusCode = 404;
        return void response.end('gone');
      }
      if (path.includes('/revision/')) return json({ sha: COMMIT, id: 'x' });
      if (path.includes('/tree/'))
        return json([...this.files].map(([name, bytes]) => ({ type: 'file', path: name, size: bytes.length, oid: createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex') })));
      const bytes = this.files.get(path.slice(path.indexOf(COMMIT) + COMMIT.length + 1));
      if (!bytes) {
        response.statusCode = 404;
        return void response.end();
      }
      const range = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '');
      const from = range ? Number(range[1]) : 0;
      const to = range?.[2] ? Math.min(Number(range[2]), bytes.length - 1) : bytes.length - 1;
      response.setHeader('Content-Length', to - from + 1);
      response.setHeader('ETag', '"x"');
      if (range) {
        response.statusCode = 206;
        response.setHeader('Content-Range', `bytes ${from}-${to}/${bytes.length}`);
      }
      const size = Math.max(65_536, Math.ceil(bytes.length / 30));
      let at = from;
      const next = () => {
        if (response.destroyed) return;
        response.write(bytes.subarray(at, Math.min(at + size, to + 1)));
        at += size;
        if (at > to) response.end();
        else setTimeout(next, this.slow / 30);
      };
      next();
    });
    const server = this.server;
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise((done) => this.server?.close(done) ?? done(null));
  }
}
