// What pages say, in English: the language that the others are translations of. `{name}` stands for something that is filled in.
export const english = {
  'action.go_on': 'Go on to {host}',
  'action.sign_in': 'Sign in',
  'action.get_help': 'Get help',
  'action.go_home': 'Go to {application}',
  'action.sign_in_again': 'Sign in again',
  'action.sign_out': 'Sign out',
  'action.sign_out_at_idp': 'Sign out at the identity provider',
  'action.somebody_else': 'Sign in as somebody else',
  'action.try_again': 'Try again',
  'action.start_again': 'Start again',
  'action.end_session': 'End this session',
  'action.end_other_sessions': 'End all others',
  'action.own_sessions': 'Your sessions',

  'callback_not_routed.title': 'The sign-in cannot be completed',
  'callback_not_routed.text':
    'The identity provider sent you back to {path}, but the reverse proxy in front of {application} does not pass that path on. Your administrator has to route everything below {prefix} on this host to akprox.',
  'denied.user': 'You are signed in as {user}.',
  'forbidden.title': 'You may not use this application',
  'forbidden.text':
    'Your account is not among those that may use {application}. Ask for access, or sign in as somebody else.',
  'identity_too_large.title': 'Your account has too many groups',
  'identity_too_large.text':
    'What is known about your account is too large to be passed on to {application}. Most often that is a long list of groups. Please tell your administrator: the log names the size and the setting (headers.max_bytes).',
  'idp_rejected.title': 'The sign-in could not be completed',
  'idp_rejected.text':
    'The identity provider did not complete this sign-in, or its answer is of no use here. Please start again; if it happens twice, tell your administrator.',
  'idp_unreachable.title': 'Signing in is not possible at the moment',
  'idp_unreachable.text':
    'The identity provider does not answer. Please try again in a moment; if it lasts, tell your administrator.',
  'internal.title': 'Something went wrong',
  'internal.text': 'This request could not be answered. Your administrator finds the reason in the log.',
  'login_denied.title': 'The sign-in was refused',
  'login_denied.text': 'The identity provider did not let you in, or the sign-in was cancelled.',
  'login_refused.title': 'The identity provider refused a sign-in',
  'login_refused.text':
    'It sent you back with an error and did not say which sign-in it is about. Please start again; if it happens twice, tell your administrator: the log of the outpost has the error.',
  'login_insufficient.title': 'This sign-in is not enough for this application',
  'login_insufficient.text':
    'The identity provider signed you in, but not in the way that this application asks for, or too long ago (acr_values or max_age in oidc.authorization_params). Please start again; if it happens twice, tell your administrator.',
  'login_expired.title': 'This sign-in took too long',
  'login_expired.text': 'A sign-in has to be completed within ten minutes. Please start again.',
  'login_unknown.title': 'This sign-in is not known here',
  'login_unknown.text':
    'It was begun in another browser, was completed already, or the browser did not keep its cookie. Please start again.',
  'misconfigured.title': 'This service is not set up correctly',
  'misconfigured.text': 'Your administrator finds the reason in the log.',
  'no_app.title': 'Nothing is set up for this host',
  'no_app.text':
    'Nobody has told akprox about an application at {host}. If the address is right, your administrator has to set it up.',
  'nobody.title': 'You are not signed in',
  'nobody.text': 'Nobody is signed in at {application} in this browser.',
  'not_found.title': 'There is nothing here',
  'not_found.text': 'Nothing is to be found at this address. It may have been mistyped, or come from an old link.',
  'renewal_unavailable.text':
    'Your session has to be renewed, and the identity provider does not answer. You have not been signed out; please try again in a moment.',
  'report.title': 'If you ask for help',
  'report.text': 'Please pass these details on to your administrator.',
  'report.time': 'Time',
  'report.reference': 'Reference',
  'report.application': 'Application',
  'report.code': 'Error code',
  'request_invalid.title': 'This request cannot be understood',
  'request_invalid.text': 'A part of it is missing, doubled or malformed. Please start again.',
  'sessions.title': 'Your sessions',
  'sessions.text': 'These are the sessions of {user} at {application}, the newest first.',
  'sessions.this_one': 'this browser',
  'sessions.unknown_browser': 'Unknown browser',
  'sessions.facts': 'Signed in on {begin}, last renewed on {renewal}, from {address}.',
  'sessions.not_renewed': 'Signed in on {begin}, from {address}.',
  'sessions.former': 'Nothing more is known about it: it was begun by a former version.',
  'sessions.more': 'And {count} more.',
  'sessions.stale': 'Nothing was ended, because that page was out of date. Please choose again.',
  'signed_in.title': 'You are signed in',
  'signed_in.text': 'You are signed in at {application} as {user}.',
  'signed_out.title': 'You are signed out',
  'signed_out.text': 'You have no session at {application} in this browser any more.',
  'signed_out.idp_sent': 'Your session at the identity provider has ended too.',
  'signed_out.idp_kept':
    'Your session at the identity provider goes on: it cannot be ended from here. Sign out there too, or close the browser.',
  'signed_out.idp_unreachable':
    'Your session at the identity provider goes on: the identity provider could not be reached. Sign out there too, or close the browser.',
  'signed_out.idp_unknown':
    'Whether your session at the identity provider has ended too is not known here. If in doubt, sign out there, or close the browser.',
  'signed_out.may_go_on':
    'While that session goes on, whoever uses this browser can be signed in as you without being asked for a password.',
  'signed_out_here.title': 'You are signed out in this browser',
  'signed_out_here.text':
    'Your session at {application} is refused here from now on. It could not be removed from the session store, which cannot be written at the moment; that is tried again without you. If you are signed in elsewhere, sign out there too, or again here in a while.',
  'signed_out_here.idp': 'Your session at the identity provider has not ended yet.',
  'store_unavailable.title': 'Not available at the moment',
  'store_unavailable.text':
    'Sessions cannot be read or saved right now. Nobody has been signed out; please try again in a moment.',
  'token_invalid.title': 'The sign-in could not be completed',
  'token_invalid.text':
    'The identity provider answered with a token that is not valid here. Please start again; if it happens twice, tell your administrator.',
} as const;

export type TextKey = keyof typeof english;
/** A language that lacks a text, or has one too many, does not compile. */
export type Texts = Readonly<Record<TextKey, string>>;
