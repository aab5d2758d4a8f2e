// Kept under its old name, because scripts outside the repository that replay users' reports import it: see test/kit/daemon.ts.
export * from '../kit/daemon.js';
