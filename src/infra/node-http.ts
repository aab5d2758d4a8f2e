// node:http, as `require` gives it. An `import` of it reads every member, and from Node.js 22 on one of them is WebSocket, for which Node.js loads
// undici, TLS and HTTP/2: 11 MiB for each process.
import { createRequire } from 'node:module';

export const nodeHttp = createRequire(import.meta.url)('node:http') as typeof import('node:http');
