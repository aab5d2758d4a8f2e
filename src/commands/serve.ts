// `akprox`: the daemon. What it does is cluster/; here is only what must be right before it starts.
import { FAILED, type Io, loadedOrPrinted } from './command.js';

export async function serve(io: Io): Promise<number> {
  const { result, selfSigned } = await io.read(io.config);
  const loaded = loadedOrPrinted(result, io);
  return loaded === null ? FAILED : io.serve({ loaded, selfSigned, file: io.config });
}
