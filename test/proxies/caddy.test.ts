import { describeProxy } from './cases.js';

describeProxy('caddy', { relaysBodies: true, whenDown: 502 });
