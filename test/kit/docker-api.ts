// As much of Docker's Engine API as Traefik asks: the version, the list of containers, one of them, and what happens to them.
import { createServer } from 'node:http';
import { type Listening, listenLocally } from './listening.js';

export interface Container {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What it listens on, and where that really is, on the loopback address. */
  readonly ports: Readonly<Record<number, number>>;
  /** Its image has a health check: it is `starting` until somebody watches, and healthy from then on. */
  readonly hasHealthCheck?: boolean;
}

const API = '1.51';

export async function startDockerApi(containers: readonly Container[]): Promise<Listening> {
  let watched = false;
  const inspected = ({ name, labels, ports, hasHealthCheck }: Container): object => ({
    Id: name,
    Name: `/${name}`,
    Config: { Image: name, Labels: labels },
    HostConfig: { NetworkMode: 'company' },
    State: {
      Status: 'running',
      Running: true,
      ...(hasHealthCheck && { Health: { Status: watched ? 'healthy' : 'starting' } }),
    },
    NetworkSettings: {
      Networks: { company: { IPAddress: '127.0.0.1' } },
      Ports: Object.fromEntries(
        Object.entries(ports).map(([port, real]) => [`${port}/tcp`, [{ HostIp: '127.0.0.1', HostPort: String(real) }]]),
      ),
    },
  });

  const server = createServer((req, res) => {
    const { pathname } = new URL(req.url ?? '/', 'http://docker');
    const path = pathname.replace(/^\/v[\d.]+(?=\/)/, '');
    res.setHeader('Api-Version', API);
    res.setHeader('Content-Type', 'application/json');
    if (path === '/events') {
      watched = true;
      res.flushHeaders();
      for (const { name } of containers.filter(({ hasHealthCheck }) => hasHealthCheck)) {
        res.write(`${JSON.stringify({ Type: 'container', Action: 'health_status: healthy', Actor: { ID: name } })}\n`);
      }
      return; // and nothing more happens
    }
    const one = containers.find(({ name }) => path === `/containers/${name}/json`);
    const answers: Readonly<Record<string, () => object>> = {
      '/_ping': () => ({}),
      '/version': () => ({ Version: '28.0.0', ApiVersion: API, MinAPIVersion: '1.24' }),
      '/containers/json': () =>
        containers.map(({ name, labels }) => ({ Id: name, Names: [`/${name}`], Labels: labels })),
      ...(one && { [path]: () => inspected(one) }),
    };
    const answer = answers[path];
    if (answer === undefined) res.statusCode = 404;
    res.end(JSON.stringify(answer?.() ?? { message: 'page not found' }));
  });
  return listenLocally(server);
}
