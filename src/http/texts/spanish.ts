// What pages say, in Spanish. The reader is addressed as “usted”.
import type { Texts } from './english.js';

export const spanish: Texts = {
  'action.go_on': 'Continuar a {host}',
  'action.sign_in': 'Iniciar sesión',
  'action.get_help': 'Obtener ayuda',
  'action.go_home': 'Ir a {application}',
  'action.sign_in_again': 'Iniciar sesión de nuevo',
  'action.sign_out': 'Cerrar sesión',
  'action.sign_out_at_idp': 'Cerrar sesión en el proveedor de identidad',
  'action.somebody_else': 'Iniciar sesión con otra cuenta',
  'action.try_again': 'Intentar de nuevo',
  'action.start_again': 'Empezar de nuevo',
  'action.end_session': 'Finalizar esta sesión',
  'action.end_other_sessions': 'Finalizar todas las demás',
  'action.own_sessions': 'Sus sesiones',

  'callback_not_routed.title': 'No se puede completar el inicio de sesión',
  'callback_not_routed.text':
    'El proveedor de identidad le ha devuelto a {path}, pero el proxy inverso situado delante de {application} no transmite esa ruta. Su administrador tiene que dirigir a akprox todo lo que está por debajo de {prefix} en este host.',
  'denied.user': 'Ha iniciado sesión como {user}.',
  'forbidden.title': 'No puede usar esta aplicación',
  'forbidden.text':
    'Su cuenta no está entre las que pueden usar {application}. Solicite acceso o inicie sesión con otra cuenta.',
  'identity_too_large.title': 'Su cuenta tiene demasiados grupos',
  'identity_too_large.text':
    'Los datos de su cuenta son demasiado extensos para transmitirlos a {application}. Casi siempre se debe a una lista larga de grupos. Avise a su administrador: el registro indica el tamaño y el ajuste (headers.max_bytes).',
  'idp_rejected.title': 'No se pudo completar el inicio de sesión',
  'idp_rejected.text':
    'El proveedor de identidad no completó este inicio de sesión, o su respuesta no sirve aquí. Empiece de nuevo; si vuelve a ocurrir, avise a su administrador.',
  'idp_unreachable.title': 'En este momento no se puede iniciar sesión',
  'idp_unreachable.text':
    'El proveedor de identidad no responde. Inténtelo de nuevo dentro de un momento; si el problema continúa, avise a su administrador.',
  'internal.title': 'Se ha producido un error',
  'internal.text': 'No se pudo responder a esta solicitud. Su administrador encontrará el motivo en el registro.',
  'login_denied.title': 'Se rechazó el inicio de sesión',
  'login_denied.text': 'El proveedor de identidad no le ha permitido entrar, o se canceló el inicio de sesión.',
  'login_refused.title': 'El proveedor de identidad rechazó un inicio de sesión',
  'login_refused.text':
    'Le ha devuelto con un error sin decir de qué inicio de sesión se trata. Empiece de nuevo; si vuelve a ocurrir, avise a su administrador: el error está en el registro del outpost.',
  'login_insufficient.title': 'Este inicio de sesión no es suficiente para esta aplicación',
  'login_insufficient.text':
    'El proveedor de identidad inició su sesión, pero no de la manera que esta aplicación exige, o hace demasiado tiempo (acr_values o max_age en oidc.authorization_params). Empiece de nuevo; si vuelve a ocurrir, avise a su administrador.',
  'login_expired.title': 'Este inicio de sesión ha tardado demasiado',
  'login_expired.text': 'Un inicio de sesión debe completarse en diez minutos. Empiece de nuevo.',
  'login_unknown.title': 'Este inicio de sesión no se conoce aquí',
  'login_unknown.text':
    'Se empezó en otro navegador, ya se completó, o el navegador no conservó su cookie. Empiece de nuevo.',
  'misconfigured.title': 'Este servicio no está bien configurado',
  'misconfigured.text': 'Su administrador encontrará el motivo en el registro.',
  'no_app.title': 'No hay nada configurado para este host',
  'no_app.text':
    'akprox no conoce ninguna aplicación en {host}. Si la dirección es correcta, su administrador tiene que configurarla.',
  'nobody.title': 'No ha iniciado sesión',
  'nobody.text': 'Nadie ha iniciado sesión en {application} en este navegador.',
  'not_found.title': 'Aquí no hay nada',
  'not_found.text': 'No hay nada en esta dirección. Puede que tenga una errata o que el enlace sea antiguo.',
  'renewal_unavailable.text':
    'Su sesión debe renovarse y el proveedor de identidad no responde. No se ha cerrado su sesión; inténtelo de nuevo dentro de un momento.',
  'report.title': 'Si pide ayuda',
  'report.text': 'Facilite estos datos a su administrador.',
  'report.time': 'Hora',
  'report.reference': 'Referencia',
  'report.application': 'Aplicación',
  'report.code': 'Código de error',
  'request_invalid.title': 'No se entiende esta solicitud',
  'request_invalid.text': 'Una parte falta, está repetida o no tiene el formato correcto. Empiece de nuevo.',
  'sessions.title': 'Sus sesiones',
  'sessions.text': 'Estas son las sesiones de {user} en {application}, la más reciente primero.',
  'sessions.this_one': 'este navegador',
  'sessions.unknown_browser': 'Navegador desconocido',
  'sessions.facts': 'Inicio el {begin}, última renovación el {renewal}, desde {address}.',
  'sessions.not_renewed': 'Inicio el {begin}, desde {address}.',
  'sessions.former': 'No se sabe nada más de ella: la inició una versión anterior.',
  'sessions.more': 'Y {count} más.',
  'sessions.stale': 'No se ha finalizado nada, porque esa página ya no estaba actualizada. Elija de nuevo.',
  'signed_in.title': 'Ha iniciado sesión',
  'signed_in.text': 'Ha iniciado sesión en {application} como {user}.',
  'signed_out.title': 'Ha cerrado la sesión',
  'signed_out.text': 'Ya no tiene ninguna sesión en {application} en este navegador.',
  'signed_out.idp_sent': 'Su sesión en el proveedor de identidad también ha terminado.',
  'signed_out.idp_kept':
    'Su sesión en el proveedor de identidad continúa: no se puede terminar desde aquí. Cierre la sesión también allí, o cierre el navegador.',
  'signed_out.idp_unreachable':
    'Su sesión en el proveedor de identidad continúa: no se pudo contactar con él. Cierre la sesión también allí, o cierre el navegador.',
  'signed_out.idp_unknown':
    'Aquí no se sabe si su sesión en el proveedor de identidad también ha terminado. En caso de duda, cierre la sesión allí, o cierre el navegador.',
  'signed_out.may_go_on':
    'Mientras esa sesión continúe, cualquiera que use este navegador puede entrar con su nombre sin contraseña.',
  'signed_out_here.title': 'Ha cerrado la sesión en este navegador',
  'signed_out_here.text':
    'A partir de ahora su sesión en {application} se rechaza aquí. No se pudo borrar del almacén de sesiones, en el que no se puede escribir en este momento; se volverá a intentar sin que usted haga nada. Si ha iniciado sesión en otro lugar, ciérrela también allí, o de nuevo aquí dentro de un rato.',
  'signed_out_here.idp': 'Su sesión en el proveedor de identidad todavía no ha terminado.',
  'store_unavailable.title': 'No disponible en este momento',
  'store_unavailable.text':
    'Ahora mismo no se pueden leer ni guardar las sesiones. No se ha cerrado la sesión de nadie; inténtelo de nuevo dentro de un momento.',
  'token_invalid.title': 'No se pudo completar el inicio de sesión',
  'token_invalid.text':
    'El proveedor de identidad respondió con un token que aquí no es válido. Empiece de nuevo; si vuelve a ocurrir, avise a su administrador.',
};
