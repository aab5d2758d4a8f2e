// Kept under its old name, because scripts outside the repository that replay users' reports import it: see test/kit/fake-core.ts.
export * from '../kit/fake-core.js';
