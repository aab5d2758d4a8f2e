// The daemon that started this process to be replaced by it: what it has handed over, and what the two tell each other until it is gone.
import { AkproxError } from '../infra/errors.js';
import type { Revocation } from '../session/revocation.js';
import type { Handover, ToPredecessor, ToSuccessor } from './handover.js';

/** The part of `process` that this uses. */
export interface Channel {
  readonly connected: boolean;
  send?(message: ToPredecessor, sent: () => void): unknown;
  disconnect?(): void;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  once(event: 'disconnect', listener: () => void): unknown;
}

export interface FromPredecessor {
  readonly revoked: (revocation: Revocation) => void;
  readonly reload: () => void;
  /** It has ended. */
  readonly gone: () => void;
}

export class Predecessor {
  /** What it has handed over. */
  readonly handover: Promise<Handover>;
  private readonly channel: Channel;
  private handlers: FromPredecessor | null = null;
  /** What came before there was anybody to hear it. */
  private readonly early: ((handlers: FromPredecessor) => void)[] = [];
  private isClosed = false;

  constructor(channel: Channel) {
    this.channel = channel;
    this.handover = new Promise((resolve, reject) => {
      const ended = (): void => reject(new AkproxError('internal', 'the daemon that is to be replaced has ended'));
      channel.on('message', (message) => this.receive(message as ToSuccessor, resolve));
      channel.once('disconnect', () => {
        ended();
        if (!this.isClosed) this.deal((handlers) => handlers.gone());
      });
      // It did before anybody listened here: nothing of it comes any more.
      if (!channel.connected) ended();
    });
    // It is waited for later.
    this.handover.catch(() => {});
  }

  hear(handlers: FromPredecessor): void {
    this.handlers = handlers;
    for (const action of this.early.splice(0)) action(handlers);
  }

  /** Resolves when it is on its way, or cannot be. */
  tell(message: ToPredecessor): Promise<void> {
    const { channel } = this;
    return new Promise((resolve) => {
      if (channel.connected && channel.send !== undefined) channel.send(message, () => resolve());
      else resolve();
    });
  }

  close(): void {
    this.isClosed = true;
    if (this.channel.connected) this.channel.disconnect?.();
  }

  private receive(message: ToSuccessor, handed: (handover: Handover) => void): void {
    switch (message.type) {
      case 'handover':
        handed(message.handover);
        break;
      case 'revoked':
        this.deal((handlers) => handlers.revoked(message.revocation));
        break;
      case 'reload':
        this.deal((handlers) => handlers.reload());
        break;
      default:
        message satisfies never;
    }
  }

  private deal(action: (handlers: FromPredecessor) => void): void {
    if (this.handlers === null) this.early.push(action);
    else action(this.handlers);
  }
}
