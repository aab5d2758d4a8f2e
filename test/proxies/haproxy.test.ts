import { describeProxy } from './cases.js';

describeProxy('haproxy', { relaysBodies: true, whenDown: 503 });
