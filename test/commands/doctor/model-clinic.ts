// What stands around the models of proxies: one outpost, one application and one identity provider for all of them.
import type { Report } from '../../../src/commands/doctor/collector.js';
import { createBrowser } from '../../kit/browser.js';
import { startDaemon, testProvider } from '../../kit/daemon.js';
import { startIdp } from '../../kit/idp.js';
import { APP } from '../../kit/real-proxy.js';
import { startWhoami } from '../../kit/whoami.js';
import { ACCOUNTS, clientFor } from '../../kit/world.js';
import type { Breakage } from './breakages.js';
import { diagnose } from './diagnose.js';
import { type ModelledName, readSettings, startModel } from './model-proxy.js';

export interface ModelClinic {
  /** What the doctor says behind a copy of the proxy's file with these edits. */
  diagnosed(name: ModelledName, edits: Breakage['edits']): Promise<Report>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startModelClinic(): Promise<ModelClinic> {
  const idp = await startIdp({ clients: [clientFor('whoami', APP)], accounts: ACCOUNTS });
  const provider = testProvider(idp.issuer, { external_host: APP, skip_path_regex: ['^/public/'] });
  const daemon = await startDaemon({ workers: 1, providers: [provider] });
  const application = await startWhoami({ port: 0 });
  return {
    diagnosed: async (name, edits) => {
      const places = { outpost: daemon.http, application: `http://127.0.0.1:${application.port}` };
      const model = await startModel(name, readSettings(name, edits), places);
      const connect = (url: URL) =>
        url.hostname.endsWith('.company.tld') ? { host: '127.0.0.1', port: model.port } : undefined;
      try {
        return await diagnose({ port: model.port, daemon, browser: () => createBrowser({ connect }) });
      } finally {
        await model.close();
      }
    },
    [Symbol.asyncDispose]: async () => {
      await application.close();
      await daemon[Symbol.asyncDispose]();
      await idp.close();
    },
  };
}
