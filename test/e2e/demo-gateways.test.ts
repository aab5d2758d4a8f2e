// The demo behind every other gateway that is here.

import { findProgram, PROXIES, unfit } from '../kit/demo/proxies.js';
import { demoCases } from '../kit/demo-cases.js';
import { describeWith } from '../kit/needs.js';

for (const gateway of PROXIES) {
  const file = findProgram(gateway, process.env['PATH'] ?? '');
  const missing = file === null ? `${gateway} is not installed` : unfit(gateway, file);
  describeWith(missing, `the demo behind ${gateway}`, () =>
    demoCases(gateway, file === null ? {} : { [`${gateway.toUpperCase()}_BIN`]: file }),
  );
}
