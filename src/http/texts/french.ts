// What pages say, in French. Before a colon, a semicolon or a question mark stands a space that does not break (U+00A0).
import type { Texts } from './english.js';

export const french: Texts = {
  'action.go_on': 'Continuer vers {host}',
  'action.sign_in': 'Se connecter',
  'action.get_help': 'Obtenir de l’aide',
  'action.go_home': 'Aller à {application}',
  'action.sign_in_again': 'Se reconnecter',
  'action.sign_out': 'Se déconnecter',
  'action.sign_out_at_idp': 'Se déconnecter du fournisseur d’identité',
  'action.somebody_else': 'Se connecter avec un autre compte',
  'action.try_again': 'Réessayer',
  'action.start_again': 'Recommencer',
  'action.end_session': 'Mettre fin à cette session',
  'action.end_other_sessions': 'Mettre fin à toutes les autres',
  'action.own_sessions': 'Vos sessions',

  'callback_not_routed.title': 'La connexion ne peut pas être terminée',
  'callback_not_routed.text':
    'Le fournisseur d’identité vous a renvoyé vers {path}, mais le proxy inverse placé devant {application} ne transmet pas ce chemin. Votre administrateur doit diriger vers akprox tout ce qui se trouve sous {prefix} sur cet hôte.',
  'denied.user': 'Vous êtes connecté en tant que {user}.',
  'forbidden.title': 'Vous ne pouvez pas utiliser cette application',
  'forbidden.text':
    'Votre compte ne fait pas partie de ceux qui peuvent utiliser {application}. Demandez l’accès ou connectez-vous avec un autre compte.',
  'identity_too_large.title': 'Votre compte a trop de groupes',
  'identity_too_large.text':
    'Les informations sur votre compte sont trop volumineuses pour être transmises à {application}. Il s’agit le plus souvent d’une longue liste de groupes. Veuillez prévenir votre administrateur : le journal indique la taille et le réglage (headers.max_bytes).',
  'idp_rejected.title': 'La connexion n’a pas pu être terminée',
  'idp_rejected.text':
    'Le fournisseur d’identité n’a pas terminé cette connexion, ou sa réponse n’est pas utilisable ici. Veuillez recommencer ; si cela se reproduit, prévenez votre administrateur.',
  'idp_unreachable.title': 'La connexion est impossible pour le moment',
  'idp_unreachable.text':
    'Le fournisseur d’identité ne répond pas. Veuillez réessayer dans un instant ; si cela dure, prévenez votre administrateur.',
  'internal.title': 'Une erreur s’est produite',
  'internal.text':
    'Il n’a pas été possible de répondre à cette demande. Votre administrateur en trouvera la raison dans le journal.',
  'login_denied.title': 'La connexion a été refusée',
  'login_denied.text': 'Le fournisseur d’identité ne vous a pas laissé entrer, ou la connexion a été annulée.',
  'login_refused.title': 'Le fournisseur d’identité a refusé une connexion',
  'login_refused.text':
    'Il vous a renvoyé avec une erreur sans dire de quelle connexion il s’agit. Veuillez recommencer ; si cela se reproduit, prévenez votre administrateur : l’erreur se trouve dans le journal de l’outpost.',
  'login_insufficient.title': 'Cette connexion ne suffit pas pour cette application',
  'login_insufficient.text':
    'Le fournisseur d’identité vous a connecté, mais pas de la manière que cette application exige, ou il y a trop longtemps (acr_values ou max_age dans oidc.authorization_params). Veuillez recommencer ; si cela se reproduit, prévenez votre administrateur.',
  'login_expired.title': 'Cette connexion a pris trop de temps',
  'login_expired.text': 'Une connexion doit être terminée en moins de dix minutes. Veuillez recommencer.',
  'login_unknown.title': 'Cette connexion est inconnue ici',
  'login_unknown.text':
    'Elle a été commencée dans un autre navigateur, elle est déjà terminée, ou le navigateur n’a pas conservé son cookie. Veuillez recommencer.',
  'misconfigured.title': 'Ce service n’est pas configuré correctement',
  'misconfigured.text': 'Votre administrateur en trouvera la raison dans le journal.',
  'no_app.title': 'Rien n’est configuré pour cet hôte',
  'no_app.text':
    'akprox ne connaît aucune application sur {host}. Si l’adresse est correcte, votre administrateur doit la configurer.',
  'nobody.title': 'Vous n’êtes pas connecté',
  'nobody.text': 'Personne n’est connecté à {application} dans ce navigateur.',
  'not_found.title': 'Il n’y a rien ici',
  'not_found.text':
    'Il n’y a rien à cette adresse. Elle contient peut-être une faute de frappe, ou le lien est ancien.',
  'renewal_unavailable.text':
    'Votre session doit être renouvelée et le fournisseur d’identité ne répond pas. Vous n’avez pas été déconnecté ; veuillez réessayer dans un instant.',
  'report.title': 'Si vous demandez de l’aide',
  'report.text': 'Veuillez transmettre ces informations à votre administrateur.',
  'report.time': 'Heure',
  'report.reference': 'Référence',
  'report.application': 'Application',
  'report.code': 'Code d’erreur',
  'request_invalid.title': 'Cette demande est incompréhensible',
  'request_invalid.text': 'Un de ses éléments manque, figure deux fois ou est mal formé. Veuillez recommencer.',
  'sessions.title': 'Vos sessions',
  'sessions.text': 'Voici les sessions de {user} sur {application}, la plus récente en premier.',
  'sessions.this_one': 'ce navigateur',
  'sessions.unknown_browser': 'Navigateur inconnu',
  'sessions.facts': 'Connexion le {begin}, dernier renouvellement le {renewal}, depuis {address}.',
  'sessions.not_renewed': 'Connexion le {begin}, depuis {address}.',
  'sessions.former': 'On n’en sait pas plus : une version antérieure l’a ouverte.',
  'sessions.more': 'Et {count} autres.',
  'sessions.stale': 'Aucune session n’a été terminée, car cette page n’était plus à jour. Veuillez choisir de nouveau.',
  'signed_in.title': 'Vous êtes connecté',
  'signed_in.text': 'Vous êtes connecté à {application} en tant que {user}.',
  'signed_out.title': 'Vous êtes déconnecté',
  'signed_out.text': 'Vous n’avez plus de session sur {application} dans ce navigateur.',
  'signed_out.idp_sent': 'Votre session auprès du fournisseur d’identité est également terminée.',
  'signed_out.idp_kept':
    'Votre session auprès du fournisseur d’identité continue : elle ne peut pas être terminée d’ici. Déconnectez-vous aussi là-bas, ou fermez le navigateur.',
  'signed_out.idp_unreachable':
    'Votre session auprès du fournisseur d’identité continue : il n’a pas pu être joint. Déconnectez-vous aussi là-bas, ou fermez le navigateur.',
  'signed_out.idp_unknown':
    'On ne sait pas ici si votre session auprès du fournisseur d’identité est également terminée. Dans le doute, déconnectez-vous là-bas, ou fermez le navigateur.',
  'signed_out.may_go_on':
    'Tant que cette session continue, toute personne qui utilise ce navigateur peut être connectée sous votre nom sans mot de passe.',
  'signed_out_here.title': 'Vous êtes déconnecté dans ce navigateur',
  'signed_out_here.text':
    'Votre session sur {application} est désormais refusée ici. Elle n’a pas pu être supprimée de la base des sessions, où l’écriture est impossible pour le moment ; une nouvelle tentative aura lieu sans vous. Si vous êtes connecté ailleurs, déconnectez-vous là aussi, ou recommencez ici dans un moment.',
  'signed_out_here.idp': 'Votre session auprès du fournisseur d’identité n’est pas encore terminée.',
  'store_unavailable.title': 'Indisponible pour le moment',
  'store_unavailable.text':
    'Les sessions ne peuvent être ni lues ni enregistrées en ce moment. Personne n’a été déconnecté ; veuillez réessayer dans un instant.',
  'token_invalid.title': 'La connexion n’a pas pu être terminée',
  'token_invalid.text':
    'Le fournisseur d’identité a répondu par un jeton qui n’est pas valable ici. Veuillez recommencer ; si cela se reproduit, prévenez votre administrateur.',
};
