// uWebSockets.js, and the only file that imports it: it cannot be loaded everywhere, and engine.ts deals with that. Nothing else
// belongs in here, so that what goes wrong is its doing.
export * from 'uWebSockets.js';
