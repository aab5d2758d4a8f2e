// The listeners of the daemon, and how much of the run each of them gets.
import { http2Transport } from './http2-transport.js';
import type { Lanes } from './run.js';
import { httpTransport } from './transport.js';
import type { FuzzWorld } from './world.js';

export function lanesOf(world: FuzzWorld, watchdogMs: number): Lanes[] {
  const { http, https, compat } = world.daemon;
  const { onNode } = world;
  const isOnNode = onNode === null;
  if (https === null || compat === null) throw new Error('a listener is missing');
  const to = (url: string, name: string): Lanes['transport'] => ({ ...httpTransport({ url, watchdogMs }), name });
  return [
    { transport: to(http, 'http'), connections: 24, share: 0.55, damaged: 0.3, pipelinesWaiting: isOnNode },
    // A handshake costs as much as dozens of requests.
    { transport: to(https, 'https'), connections: 6, share: 0.1, damaged: 0.05, pipelinesWaiting: true },
    {
      transport: http2Transport({ url: https, watchdogMs }),
      ...{ connections: 4, share: 0.15, damaged: 0, pipelinesWaiting: true },
    },
    {
      transport: to(compat, 'compat'),
      ...{ connections: isOnNode ? 10 : 5, share: isOnNode ? 0.2 : 0.1, damaged: 0.2, pipelinesWaiting: true },
    },
    ...(isOnNode
      ? []
      : [
          {
            transport: to(onNode.http, 'http on node:http'),
            ...{ connections: 5, share: 0.1, damaged: 0.2, pipelinesWaiting: true },
          },
        ]),
  ];
}
