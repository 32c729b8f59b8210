// A line between browser and server that can be slow, and cut: what the server has sent and the browser has not read is
// lost then, as on a real one (on one machine the kernel would keep a whole short answer).
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

export class Line {
  /** Bytes a second towards the browser; 0: as fast as it goes. */
  speed = 0;
  port = 0;
  private readonly sockets = new Set<Socket>();
  private server: Server | null = null;

  async open(target: () => number): Promise<void> {
    this.server = createServer((near) => {
      const far = connect(target(), '127.0.0.1');
      for (const socket of [near, far]) {
        this.sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          this.sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
      }
      near.pipe(far);
      far.on('data', (bytes: Buffer) => {
        if (!this.speed) return void near.write(bytes);
        far.pause();
        let at = 0;
        const step = () => {
          if (near.destroyed) return;
          const size = this.speed ? Math.max(1, Math.round(this.speed / 20)) : bytes.length;
          near.write(bytes.subarray(at, at + size));
          at += size;
          if (at < bytes.length) setTimeout(step, 50);
          else far.resume();
        };
        step();
      });
    });
    const server = this.server;
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    this.port = (server.address() as AddressInfo).port;
  }

  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((done) => this.server?.close(done) ?? done(null));
  }
}
