import { describeProxy } from './cases.js';

describeProxy('traefik', { relaysBodies: true, whenDown: 500 });
