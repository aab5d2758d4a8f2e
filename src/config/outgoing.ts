// HTTPS_PROXY, HTTP_PROXY and NO_PROXY, in capitals or not; the variables that say by way of what everything is asked over HTTP. And
// those of OpenTelemetry that say whether spans go anywhere.
import type { OutgoingProxies } from '../infra/outgoing-proxy.js';
import type { Env } from './environment.js';
import type { Problem } from './problems.js';

export interface OutgoingResult {
  /** Undefined when neither is set. */
  readonly proxies: OutgoingProxies | undefined;
  readonly problems: Problem[];
}

export function readOutgoingProxies(env: Env): OutgoingResult {
  const problems: Problem[] = [];
  const read = (name: string): { variable: string; value: string } => {
    const variable = [name, name.toLowerCase()].find((one) => Object.hasOwn(env, one) && env[one]) ?? name;
    return { variable, value: env[variable]?.trim() ?? '' };
  };
  const proxy = (name: string): string => {
    const { variable, value } = read(name);
    if (value === '') return '';
    const text = value.includes('://') ? value : `http://${value}`;
    // Never quoted: there may be a password in it.
    if (!/^https?:\/\/[^/?#]+\/?$/i.test(text) || !URL.canParse(text))
      problems.push({ path: variable, message: 'expected http://HOST:PORT or https://HOST:PORT' });
    return text;
  };
  const [http, https] = [proxy('HTTP_PROXY'), proxy('HTTPS_PROXY')];
  const except = read('NO_PROXY')
    .value.split(/[,\s]+/)
    .filter((entry) => entry !== '');
  return { proxies: http === '' && https === '' ? undefined : { http, https, except }, problems };
}

/** Whether somebody takes spans over OTLP. The SDK reads the variables of OpenTelemetry itself; here they say whether it is loaded. */
export function wantsTracing(env: Env): boolean {
  const endpoint = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_ENDPOINT'] || '';
  return endpoint !== '' && env['OTEL_SDK_DISABLED']?.toLowerCase() !== 'true';
}
