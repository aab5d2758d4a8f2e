// A map that forgets what was not asked for longest. It makes room as it is needed: with lru-cache's own bound on entries there would be
// room for all of them from the start, and an idle worker with a dozen such maps has a budget of memory.
import { LRUCache } from 'lru-cache';

export function boundedMap<Key extends {}, Value extends {}>(most: number): LRUCache<Key, Value> {
  return new LRUCache<Key, Value>({ maxSize: most, sizeCalculation: () => 1 });
}
