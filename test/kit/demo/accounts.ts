/** Who can log in at the demo's OpenID provider, with any password: the claims, by `sub`. */
export const ACCOUNTS = {
  alice: {
    groups: ['staff'],
    email: 'alice@example.com',
    email_verified: true,
    name: 'Alice Liddell',
    preferred_username: 'alice',
  },
  bob: {
    groups: [],
    email: 'bob@example.com',
    email_verified: true,
    name: 'Bob Builder',
    preferred_username: 'bob',
  },
};
