// So many at once and no more: for what anybody can cause and somebody else has to answer.
import { AkproxError, type ErrorCode } from './errors.js';

export class AtOnce {
  private readonly most: number;
  private readonly refusal: { readonly code: ErrorCode; readonly message: string };
  private running = 0;

  /** `refusal`: what one more gets. */
  constructor(most: number, refusal: { readonly code: ErrorCode; readonly message: string }) {
    this.most = most;
    this.refusal = refusal;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= this.most) throw new AkproxError(this.refusal.code, this.refusal.message);
    this.running += 1;
    try {
      return await work();
    } finally {
      this.running -= 1;
    }
  }
}
