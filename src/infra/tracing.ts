// What is traced, whoever takes the spans. Nothing of a person, no secret and nothing that a client wrote is ever an attribute.

export type SpanFacts = Readonly<Record<string, string | number>>;

/** `failed`: it did not do what it is for. */
export type EndSpan = (failed: boolean, facts?: SpanFacts) => void;

export interface Tracing {
  /** Whether the proxy wants this request traced; at most so many a second, because a client can say so too. `traceparent` as sent. */
  samples(traceparent: string): boolean;
  /** A span of its own for what has happened already. */
  told(name: string, traceparent: string, facts: SpanFacts): void;
  /** A span around `work`, in which what is asked meanwhile has its place. `traceparent`: '' for what no request has brought about. */
  around<T>(
    name: string,
    traceparent: string,
    facts: SpanFacts,
    work: () => Promise<T>,
    outcome: (value: T) => { readonly failed: boolean; readonly facts: SpanFacts },
  ): Promise<T>;
  /** A question to somebody else, as a part of the span that is under way; outside of any it is none. */
  asked(name: string, facts: SpanFacts): EndSpan;
  /** Sends what is left. Never rejects. */
  close(): Promise<void>;
}
