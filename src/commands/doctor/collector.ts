// What an examination has found so far. Nothing is found twice.
import { type Finding, type FindingCode, finding, type ProxyName } from './findings.js';

export interface Report {
  readonly findings: readonly Finding[];
  /** What was looked at and is well. */
  readonly passed: readonly string[];
  /** What could not be seen, and how it could. */
  readonly unseen: readonly string[];
}

export class Collector implements Report {
  readonly findings: Finding[] = [];
  readonly passed: string[] = [];
  readonly unseen: string[] = [];
  /** Whose settings a finding advises; null: those of all proxies. */
  proxy: readonly ProxyName[] | null;

  constructor(proxy: ProxyName | null) {
    this.proxy = proxy === null ? null : [proxy];
  }

  add(code: FindingCode, seen: string): void {
    if (this.findings.some((other) => other.code === code && other.seen === seen)) return;
    this.findings.push(finding(code, seen, this.proxy));
  }
}
