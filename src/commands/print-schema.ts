// `akprox schema`: what deploy/akprox.schema.json has, of the version that runs.
import { configJsonSchema } from '../config/json-schema.js';
import { type Io, OK } from './command.js';

export function printSchema(io: Pick<Io, 'stdout'>): number {
  io.stdout(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
  return OK;
}
