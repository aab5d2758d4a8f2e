import { describeProxy } from './cases.js';

describeProxy('nginx', { relaysBodies: false, whenDown: 500 });
