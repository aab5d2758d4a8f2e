import { describeProxy } from './cases.js';

describeProxy('envoy', { relaysBodies: true, whenDown: 503 });
