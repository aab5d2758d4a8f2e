// `listen.http` on node:http, where uWebSockets.js has no binary (engine.ts): the same routes, answers and bounds.
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createHttp1Server, type NodeListenerOptions, tcpPeer } from './http1-listener.js';
import { InFlight } from './in-flight.js';
import { stopHttp1 } from './node-drain.js';
import type { Server } from './server.js';
import { UNIX_PEER } from './trusted-proxies.js';

export function createNodeServer(options: NodeListenerOptions): Server {
  const inFlight = new InFlight();
  let isUnix = false;
  const server = createHttp1Server(options, inFlight, {
    takesHttp10: false,
    peerOf: (req) => (isUnix ? UNIX_PEER : tcpPeer(req)),
  });

  async function listening(): Promise<void> {
    await once(server, 'listening');
    server.on('error', options.onError);
  }

  return {
    async listenUnix(path) {
      isUnix = true;
      rmSync(path, { force: true });
      const mask = process.umask(0o177);
      try {
        // By itself: through the primary, which shares what workers listen on, each check would make a way more. Binds at once.
        server.listen({ path, exclusive: true });
      } finally {
        process.umask(mask);
      }
      await listening();
    },

    /** The primary accepts, and deals connections to the workers in turn. */
    async listen(host, port, descriptor) {
      if (descriptor === undefined) server.listen(port, host);
      else server.listen({ fd: descriptor });
      await listening();
    },

    async drain(graceMs, idleMs) {
      let timer: NodeJS.Timeout | undefined;
      const over = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, graceMs);
      });
      await Promise.race([stopHttp1(server, inFlight, idleMs).then(() => inFlight.drain()), over]);
      clearTimeout(timer);
      server.closeAllConnections();
    },
  };
}
