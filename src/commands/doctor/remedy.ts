// What is told about a finding.

export type ProxyName = 'Traefik' | 'nginx' | 'ingress-nginx' | 'Caddy' | 'Envoy' | 'HAProxy';

export interface Remedy {
  readonly severity: 'error' | 'warning';
  /** What is wrong, as the table in docs/doctor.md has it. */
  readonly meaning: string;
  /** The settings to look at, whatever the proxy. */
  readonly change: string;
  readonly settings?: Partial<Record<ProxyName, string>>;
}
