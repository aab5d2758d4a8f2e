// Whatever an identity provider sends, one shape (contract §3, "Claims").
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClaimPaths, readClaims } from '../../src/application/claims.js';

const ROLES = 'urn:zitadel:iam:org:project:roles';
const PAYLOAD = {
  sub: 's-1',
  nick: 'al',
  realm_access: { roles: ['staff'] },
  'realm_access.literal': ['literal'],
  'cognito:groups': ['cognito'],
  [ROLES]: { staff: { 1: 'x' }, admins: {} },
  'https://company.tld/groups': ['url'],
  https: { '//company': { 'tld/other': ['no'] } },
};

for (const [groups, expected] of [
  [undefined, []],
  ['realm_access.roles', ['staff']],
  ['realm_access.literal', ['literal']],
  ['cognito:groups', ['cognito']],
  [ROLES, ['staff', 'admins']],
  ['https://company.tld/groups', ['url']],
  ['https://company.tld/other', []],
  [['nowhere', 'nick', 'realm_access.roles', 'cognito:groups'], ['staff']],
  ['constructor.name', []],
  ['nick.length', []],
] as const) {
  test(`groups at ${String(groups)}`, () => {
    assert.deepEqual(readClaims(PAYLOAD, { groups }).groups, expected);
  });
}

for (const [payload, paths, expected] of [
  [{ preferred_username: 'alice', email: 'a@company.tld' }, {}, 'alice'],
  [{ preferred_username: '', email: 'a@company.tld' }, {}, 'a@company.tld'],
  [{ email: 'a@company.tld' }, {}, 'a@company.tld'],
  [{}, {}, 's-1'],
  [{ nick: 'al', preferred_username: 'alice' }, { username: 'nick' }, 'al'],
  [{ nick: 7, preferred_username: 'alice' }, { username: ['nick', 'preferred_username'] }, 'alice'],
  [{ preferred_username: 'alice' }, { username: 'nick' }, 's-1'],
] satisfies [Record<string, unknown>, ClaimPaths, string][]) {
  test(`the user name of ${JSON.stringify(payload)} by ${JSON.stringify(paths)}`, () => {
    assert.equal(readClaims({ sub: 's-1', ...payload }, paths).preferredUsername, expected);
  });
}

for (const [value, expected] of [
  [true, true],
  ['true', true],
  [undefined, null],
  [null, null],
  [false, false],
  ['false', false],
  ['0', false],
  [0, false],
  [1, false],
  ['TRUE', false],
  ['', false],
] as const) {
  test(`email_verified ${JSON.stringify(value)}`, () => {
    assert.equal(readClaims({ sub: 's-1', email_verified: value }).emailVerified, expected);
  });
}
