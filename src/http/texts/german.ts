// What pages say, in German. The reader is addressed as “Sie”.
import type { Texts } from './english.js';

export const german: Texts = {
  'action.go_on': 'Weiter zu {host}',
  'action.sign_in': 'Anmelden',
  'action.get_help': 'Hilfe',
  'action.go_home': 'Zu {application}',
  'action.sign_in_again': 'Wieder anmelden',
  'action.sign_out': 'Abmelden',
  'action.sign_out_at_idp': 'Beim Identitätsanbieter abmelden',
  'action.somebody_else': 'Mit einem anderen Konto anmelden',
  'action.try_again': 'Noch einmal versuchen',
  'action.start_again': 'Neu beginnen',
  'action.end_session': 'Diese Sitzung beenden',
  'action.end_other_sessions': 'Alle anderen beenden',
  'action.own_sessions': 'Ihre Sitzungen',

  'callback_not_routed.title': 'Die Anmeldung kann nicht abgeschlossen werden',
  'callback_not_routed.text':
    'Der Identitätsanbieter hat Sie nach {path} zurückgeschickt, aber der Reverse-Proxy vor {application} leitet diesen Pfad nicht weiter. Ihre Administration muss auf diesem Host alles unterhalb von {prefix} an akprox leiten.',
  'denied.user': 'Sie sind als {user} angemeldet.',
  'forbidden.title': 'Sie dürfen diese Anwendung nicht benutzen',
  'forbidden.text':
    'Ihr Konto gehört nicht zu denen, die {application} benutzen dürfen. Bitten Sie um Zugang, oder melden Sie sich mit einem anderen Konto an.',
  'identity_too_large.title': 'Ihr Konto hat zu viele Gruppen',
  'identity_too_large.text':
    'Die Angaben zu Ihrem Konto sind zu umfangreich, um an {application} weitergegeben zu werden. Meist liegt das an einer langen Liste von Gruppen. Bitte verständigen Sie Ihre Administration: Das Protokoll nennt die Größe und die Einstellung (headers.max_bytes).',
  'idp_rejected.title': 'Die Anmeldung konnte nicht abgeschlossen werden',
  'idp_rejected.text':
    'Der Identitätsanbieter hat diese Anmeldung nicht abgeschlossen, oder seine Antwort ist hier nicht zu gebrauchen. Bitte beginnen Sie neu; wenn es wieder geschieht, verständigen Sie Ihre Administration.',
  'idp_unreachable.title': 'Die Anmeldung ist zurzeit nicht möglich',
  'idp_unreachable.text':
    'Der Identitätsanbieter antwortet nicht. Bitte versuchen Sie es gleich noch einmal; wenn es so bleibt, verständigen Sie Ihre Administration.',
  'internal.title': 'Etwas ist schiefgegangen',
  'internal.text': 'Diese Anfrage konnte nicht beantwortet werden. Ihre Administration findet den Grund im Protokoll.',
  'login_denied.title': 'Die Anmeldung wurde abgelehnt',
  'login_denied.text': 'Der Identitätsanbieter hat Sie nicht eingelassen, oder die Anmeldung wurde abgebrochen.',
  'login_refused.title': 'Der Identitätsanbieter hat eine Anmeldung abgelehnt',
  'login_refused.text':
    'Er hat Sie mit einem Fehler zurückgeschickt und nicht gesagt, um welche Anmeldung es geht. Bitte beginnen Sie neu; wenn es wieder geschieht, verständigen Sie Ihre Administration: Der Fehler steht im Protokoll des Outposts.',
  'login_insufficient.title': 'Diese Anmeldung genügt dieser Anwendung nicht',
  'login_insufficient.text':
    'Der Identitätsanbieter hat Sie angemeldet, aber nicht so, wie es diese Anwendung verlangt, oder vor zu langer Zeit (acr_values oder max_age in oidc.authorization_params). Bitte beginnen Sie neu; wenn es wieder geschieht, verständigen Sie Ihre Administration.',
  'login_expired.title': 'Diese Anmeldung hat zu lange gedauert',
  'login_expired.text': 'Eine Anmeldung muss innerhalb von zehn Minuten abgeschlossen werden. Bitte beginnen Sie neu.',
  'login_unknown.title': 'Diese Anmeldung ist hier nicht bekannt',
  'login_unknown.text':
    'Sie wurde in einem anderen Browser begonnen, ist bereits abgeschlossen, oder der Browser hat ihr Cookie nicht behalten. Bitte beginnen Sie neu.',
  'misconfigured.title': 'Dieser Dienst ist nicht richtig eingerichtet',
  'misconfigured.text': 'Ihre Administration findet den Grund im Protokoll.',
  'no_app.title': 'Für diesen Host ist nichts eingerichtet',
  'no_app.text':
    'akprox kennt keine Anwendung auf {host}. Wenn die Adresse stimmt, muss Ihre Administration sie einrichten.',
  'nobody.title': 'Sie sind nicht angemeldet',
  'nobody.text': 'In diesem Browser ist niemand bei {application} angemeldet.',
  'not_found.title': 'Hier ist nichts',
  'not_found.text':
    'Unter dieser Adresse gibt es nichts. Vielleicht enthält sie einen Tippfehler, oder der Link ist veraltet.',
  'renewal_unavailable.text':
    'Ihre Sitzung muss erneuert werden, und der Identitätsanbieter antwortet nicht. Sie wurden nicht abgemeldet; bitte versuchen Sie es gleich noch einmal.',
  'report.title': 'Wenn Sie Hilfe brauchen',
  'report.text': 'Bitte geben Sie diese Angaben an Ihre Administration weiter.',
  'report.time': 'Zeitpunkt',
  'report.reference': 'Referenz',
  'report.application': 'Anwendung',
  'report.code': 'Fehlercode',
  'request_invalid.title': 'Diese Anfrage ist nicht verständlich',
  'request_invalid.text': 'Ein Teil davon fehlt, ist doppelt oder fehlerhaft. Bitte beginnen Sie neu.',
  'sessions.title': 'Ihre Sitzungen',
  'sessions.text': 'Das sind die Sitzungen von {user} bei {application}, die neueste zuerst.',
  'sessions.this_one': 'dieser Browser',
  'sessions.unknown_browser': 'Unbekannter Browser',
  'sessions.facts': 'Angemeldet am {begin}, zuletzt erneuert am {renewal}, von {address}.',
  'sessions.not_renewed': 'Angemeldet am {begin}, von {address}.',
  'sessions.former': 'Mehr ist über sie nicht bekannt: Eine frühere Version hat sie begonnen.',
  'sessions.more': 'Und {count} weitere.',
  'sessions.stale': 'Es wurde nichts beendet, weil die Seite veraltet war. Bitte wählen Sie noch einmal.',
  'signed_in.title': 'Sie sind angemeldet',
  'signed_in.text': 'Sie sind bei {application} als {user} angemeldet.',
  'signed_out.title': 'Sie sind abgemeldet',
  'signed_out.text': 'Sie haben in diesem Browser keine Sitzung bei {application} mehr.',
  'signed_out.idp_sent': 'Ihre Sitzung beim Identitätsanbieter ist ebenfalls beendet.',
  'signed_out.idp_kept':
    'Ihre Sitzung beim Identitätsanbieter besteht weiter: Sie kann von hier aus nicht beendet werden. Melden Sie sich auch dort ab, oder schließen Sie den Browser.',
  'signed_out.idp_unreachable':
    'Ihre Sitzung beim Identitätsanbieter besteht weiter: Er war nicht erreichbar. Melden Sie sich auch dort ab, oder schließen Sie den Browser.',
  'signed_out.idp_unknown':
    'Ob Ihre Sitzung beim Identitätsanbieter ebenfalls beendet ist, ist hier nicht bekannt. Melden Sie sich im Zweifel auch dort ab, oder schließen Sie den Browser.',
  'signed_out.may_go_on':
    'Solange diese Sitzung besteht, kann jeder, der diesen Browser benutzt, ohne Passwort unter Ihrem Namen angemeldet werden.',
  'signed_out_here.title': 'Sie sind in diesem Browser abgemeldet',
  'signed_out_here.text':
    'Ihre Sitzung bei {application} wird hier ab sofort abgelehnt. Sie konnte nicht aus dem Sitzungsspeicher entfernt werden, in den zurzeit nicht geschrieben werden kann; das wird ohne Ihr Zutun nachgeholt. Wenn Sie anderswo angemeldet sind, melden Sie sich auch dort ab, oder hier nach einer Weile noch einmal.',
  'signed_out_here.idp': 'Ihre Sitzung beim Identitätsanbieter ist noch nicht beendet.',
  'store_unavailable.title': 'Zurzeit nicht verfügbar',
  'store_unavailable.text':
    'Sitzungen können gerade nicht gelesen oder gespeichert werden. Niemand wurde abgemeldet; bitte versuchen Sie es gleich noch einmal.',
  'token_invalid.title': 'Die Anmeldung konnte nicht abgeschlossen werden',
  'token_invalid.text':
    'Der Identitätsanbieter hat mit einem Token geantwortet, das hier nicht gültig ist. Bitte beginnen Sie neu; wenn es wieder geschieht, verständigen Sie Ihre Administration.',
};
