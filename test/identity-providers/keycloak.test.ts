// The daemon as it is built, behind the real Traefik with the files of deploy/, with a real Keycloak. Chromium where a person's way
// is walked, the small browser for the rest. All in one file, whose parts are in keycloak/: a Keycloak takes 20 s to start.
import { after, before } from 'node:test';
import { describeWith } from '../kit/needs.js';
import { keycloakClient } from './keycloak/keycloak-client.js';
import { keycloakKeys } from './keycloak/keycloak-keys.js';
import { keycloakLogin } from './keycloak/keycloak-login.js';
import { keycloakRenewal } from './keycloak/keycloak-renewal.js';
import { keycloakSignOut } from './keycloak/keycloak-sign-out.js';
import { type KeycloakWorld, keycloakWorldMissing, startKeycloakWorld } from './keycloak/keycloak-world.js';

/** In this order; the renewal part stops Keycloak at its end, and starts it again. */
const PARTS = [keycloakLogin, keycloakSignOut, keycloakKeys, keycloakClient, keycloakRenewal];

describeWith(
  keycloakWorldMissing,
  'Keycloak',
  () => {
    const cleanups: (() => unknown)[] = [];
    let world: KeycloakWorld | undefined;

    before(async () => {
      world = await startKeycloakWorld(PARTS, (cleanUp) => cleanups.push(cleanUp));
    });
    after(async () => {
      for (const cleanUp of cleanups.reverse()) await cleanUp();
    });

    for (const { tests } of PARTS) {
      tests(() => {
        if (world === undefined) throw new Error('only within a test');
        return world;
      });
    }
  },
  { timeout: 900_000 },
);
