// Tracing by OpenTelemetry, over OTLP/HTTP. Loaded only where `OTEL_EXPORTER_OTLP_ENDPOINT` is set; the SDK reads that variable and its
// sisters by itself (headers, timeout, sampler, queue), as its documentation has them.
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Context,
  DiagLogLevel,
  diag,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { AkproxError } from './errors.js';
import type { GatedLog } from './log-gate.js';
import type { EndSpan, SpanFacts, Tracing } from './tracing.js';
import { VERSION } from './version.js';

/** Of checks, in a second and a worker. */
const MOST_CHECKS = 100;
const SECOND = 1_000;
/** Version, trace, span and flags (W3C Trace Context §3.2). */
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/;

export interface OtelOptions {
  /** Milliseconds. */
  readonly monotonic: () => number;
  readonly log: GatedLog;
}

export function createOtelTracing({ monotonic, log }: OtelOptions): Tracing {
  const failed = (): void => {
    log.warn({}, 'spans were not taken: compare OTEL_EXPORTER_OTLP_ENDPOINT (OTLP over HTTP, port 4318 as a rule)');
  };
  const silent = (): void => {};
  // What it says may quote what it was sent: it is enough to know that it did not work.
  diag.setLogger(
    { error: failed, warn: silent, info: silent, debug: silent, verbose: silent },
    { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true },
  );
  const own = resourceFromAttributes({
    'service.name': 'akprox',
    'service.version': VERSION,
    'process.pid': process.pid,
  });
  const provider = new BasicTracerProvider({
    resource: own.merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  return new OtelTracing(provider, monotonic);
}

class OtelTracing implements Tracing {
  private readonly provider: BasicTracerProvider;
  private readonly tracer: Tracer;
  private readonly monotonic: () => number;
  private readonly under = new AsyncLocalStorage<Context>();
  private secondEnds = 0;
  private left = 0;

  constructor(provider: BasicTracerProvider, monotonic: () => number) {
    this.provider = provider;
    this.tracer = provider.getTracer('akprox');
    this.monotonic = monotonic;
  }

  samples(traceparent: string): boolean {
    const flags = TRACEPARENT.exec(traceparent)?.[3];
    if (flags === undefined || (Number.parseInt(flags, 16) & TraceFlags.SAMPLED) === 0) return false;
    const time = this.monotonic();
    if (time >= this.secondEnds) {
      this.secondEnds = time + SECOND;
      this.left = MOST_CHECKS;
    }
    this.left -= 1;
    return this.left >= 0;
  }

  told(name: string, traceparent: string, facts: SpanFacts): void {
    this.tracer.startSpan(name, { attributes: facts }, parentOf(traceparent)).end();
  }

  async around<T>(
    name: string,
    traceparent: string,
    facts: SpanFacts,
    work: () => Promise<T>,
    outcome: (value: T) => { readonly failed: boolean; readonly facts: SpanFacts },
  ): Promise<T> {
    const parent = this.under.getStore() ?? parentOf(traceparent);
    const span = this.tracer.startSpan(name, { attributes: facts }, parent);
    try {
      const value = await this.under.run(trace.setSpan(parent, span), work);
      const { failed, facts: more } = outcome(value);
      end(span, failed, more);
      return value;
    } catch (error) {
      end(span, true, { 'error.type': error instanceof AkproxError ? error.code : 'internal' });
      throw error;
    }
  }

  asked(name: string, facts: SpanFacts): EndSpan {
    const parent = this.under.getStore();
    if (parent === undefined) return NOTHING;
    const span = this.tracer.startSpan(name, { attributes: facts }, parent);
    return (failed, more = {}) => end(span, failed, more);
  }

  async close(): Promise<void> {
    await this.provider.shutdown().catch(() => undefined);
  }
}

const NOTHING: EndSpan = () => {};

function end(span: Span, failed: boolean, facts: SpanFacts): void {
  span.setAttributes(facts);
  if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}

/** What cannot be read is no parent. */
function parentOf(traceparent: string): Context {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return ROOT_CONTEXT;
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}
