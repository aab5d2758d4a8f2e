// `akprox`: the daemon. What it does is cluster/; here is only what must be right before it starts.
import { FAILED, type Io, loadOrPrint } from './command.js';

export async function serve(io: Io): Promise<number> {
  const loaded = loadOrPrint(io);
  return loaded === null ? FAILED : io.serve(loaded);
}
