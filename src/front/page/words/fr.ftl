# Ce que lisent les visiteurs. Des phrases courtes, une idée chacune,
# et toujours le même mot pour la même chose : place, file, entrer.
# Le signe # tient lieu d'une durée que le script écrit.

page =
    .room = Salle d’attente
    .line = Vous êtes dans la file
    .turn = C’est à vous
    .lane = Votre file
    .lanes = Plusieurs files avancent ensemble.
    .code = Code de la classe :
    .join = Rejoindre la classe
    .place = Votre place
    .wait = Votre attente
    .keep = Ne rechargez pas, votre place est gardée.
    .alone = Cette page se met à jour toute seule.
    .entry = Quand ce sera à vous, vous entrerez automatiquement.
    .phone = Inutile d’appeler l’établissement : il ne peut pas vous faire entrer plus vite.
    .updated = Dernière mise à jour :
    .lost = Connexion perdue, nouvel essai dans #. Votre place est gardée.
    .cookies = Votre navigateur refuse les cookies. Acceptez-les pour ce site : sans eux, nous ne pouvons pas garder votre place.
    .stuck = Rien ne change ?
    .reload = Actualisez la page
    .stuck_keep = Vous gardez votre place.
    .pause = Mettre en pause la mise à jour
    .paused = La mise à jour est en pause.
    .resume = Reprendre
    .form = Votre formulaire n’est pas encore envoyé. Quand ce sera à vous, appuyez sur « Entrer » : il sera envoyé. Si votre navigateur demande à le renvoyer, acceptez.
    .form_manual = Sans JavaScript, cette page ne se met pas à jour. Rechargez-la chaque minute et acceptez de renvoyer le formulaire.
    .open = Vous pouvez entrer maintenant.
    .enter = Entrer
    .enter_auto = Entrer automatiquement à mon tour
    .enter_soon = Entrée automatique dans #.
    .claim = Il vous reste # pour entrer.
    .retry = Réessayer
    .retry_auto = Réessayer automatiquement
    .retry_soon = Nouvel essai dans #.
    .reference = Référence :
    .frame_title = Ce site a une file d’attente
    .frame_words = Vous ne pouvez pas attendre ici : ce cadre appartient à un autre site, et votre place n’y serait pas gardée.
    .frame_open = Ouvrir dans une nouvelle fenêtre

wait =
    .moment = quelques instants
    .over-an-hour = plus d’une heure
    .unknown = pas encore connue
    .called = Vous pouvez entrer

reason =
    .portal-down = Le site ne répond pas. La file avancera de nouveau dès qu’il répondra. Votre place est gardée.
    .held = La file est arrêtée par les responsables du site. Elle reprendra toute seule. Votre place est gardée.
    .slower = Le site est plus lent que prévu. Votre attente est plus longue qu’annoncé.
    .fewer-left = Moins de personnes que prévu ont quitté la file. Votre attente est plus longue qu’annoncé.
    .stopped = La file s’est arrêtée un moment. Votre attente est plus longue qu’annoncé.
    .hours = Votre groupe n’entre pas à cette heure. Votre place est gardée.
    .next-hours = Votre groupe entre à certaines heures, qui peuvent finir avant votre tour. Votre attente peut être plus longue. Votre place est gardée.

class =
    .title = Code de la classe
    .what = Ouvrez un code pour votre classe. Ceux qui attendent le tapent et entrent ensemble.
    .people = Nombre de personnes :
    .minutes = Minutes :
    .open = Ouvrir un code
    .tell = Dites ce code à votre classe. On le tape sur la page d’attente.
    .wrong = Ce code n’est pas ouvert. Vérifiez-le avec votre enseignant. Votre place est gardée.
    .many = Trop d’essais. Attendez une minute. Votre place est gardée.
    .full = Trop de codes sont ouverts. Réessayez dans quelques minutes.
    .forbidden = Vous ne pouvez pas ouvrir de code. Il faut être entré, et avoir le droit d’en ouvrir.
    .numbers = Le nombre de personnes va de 1 à 500, les minutes de 1 à 120.
    .back = Revenir à la file
class-valid = Pour { $people } personnes, pendant { $minutes } min.
lane =
    .others = Tous les autres
lane-share =
    { $count ->
        [one] { $title } : { $count } appel sur { $all }
       *[other] { $title } : { $count } appels sur { $all }
    }
lane-seats =
    { $count ->
        [one] { $count } place gardée
       *[other] { $count } places gardées
    }
lane-enters = entrée { $hours }
lane-hours = { $days } de { $from } à { $to }
lane-days = du { $first } au { $last }
lane-day =
    .mon = lundi
    .tue = mardi
    .wed = mercredi
    .thu = jeudi
    .fri = vendredi
    .sat = samedi
    .sun = dimanche
    .all = tous les jours
weekday =
    .n1 = lundi
    .n2 = mardi
    .n3 = mercredi
    .n4 = jeudi
    .n5 = vendredi
    .n6 = samedi
    .n7 = dimanche
month =
    .n1 = janvier
    .n2 = février
    .n3 = mars
    .n4 = avril
    .n5 = mai
    .n6 = juin
    .n7 = juillet
    .n8 = août
    .n9 = septembre
    .n10 = octobre
    .n11 = novembre
    .n12 = décembre
moment-today = à { $time }
moment-day = { $weekday } { $day } { $month } à { $time }
reopens = Rouvre { $moment }.
gathers = Venez attendre { $moment } : les places seront tirées au sort.
held-until = La file est arrêtée par les responsables du site. Elle reprendra { $moment }. Votre place est gardée.
hours-shut = Votre groupe ({ $title }) entre { $hours }. Votre file avancera { $moment }. Votre place est gardée.
hours-next = Votre groupe ({ $title }) entre { $hours }. Si ces heures finissent avant votre tour, votre file avancera de nouveau { $moment }. Votre place est gardée.
hours-over = Votre groupe ({ $title }) entrait { $hours }. Ces heures sont passées.
draw-note = Les places seront tirées au sort { $moment }, entre ceux qui attendent déjà. Arriver plus tôt ne change rien.
draw-place = tirage au sort { $moment }
title-draw = Tirage au sort { $moment } – file d’attente

title-waiting = Place { $place } – file d’attente

wait-between = entre { $low } et { $high } minutes
wait-below =
    { $count ->
        [1] moins d’une minute
       *[other] moins de { $count } minutes
    }
wait-about =
    { $count ->
        [one] environ { $count } minute
       *[other] environ { $count } minutes
    }
wait-at-least =
    { $count ->
        [one] au moins { $count } minute
       *[other] au moins { $count } minutes
    }

kept =
    { $count ->
        [one] Votre place est gardée { $count } minute.
       *[other] Votre place est gardée { $count } minutes.
    }
retry-seconds =
    { $count ->
        [one] Réessayez dans { $count } seconde.
       *[other] Réessayez dans { $count } secondes.
    }
retry-minutes =
    { $count ->
        [one] Réessayez dans { $count } minute.
       *[other] Réessayez dans { $count } minutes.
    }

bad-request =
    .title = Demande incomprise
    .words = Votre navigateur a envoyé une demande que nous ne comprenons pas.
    .todo = Revenez à l’accueil du site et recommencez.
uri-too-long =
    .title = Adresse trop longue
    .words = L’adresse demandée est trop longue.
    .todo = Revenez à l’accueil du site et recommencez.
headers-too-large =
    .title = Demande trop grande
    .words = Votre navigateur a envoyé trop d’informations, souvent à cause d’anciens cookies.
    .todo = Effacez les cookies de ce site, puis recommencez.
method-not-allowed =
    .title = Action impossible ici
    .words = Cette adresse n’accepte pas cette action.
    .todo = Revenez à l’accueil du site et recommencez.
not-implemented =
    .title = Action inconnue
    .words = Ce serveur ne connaît pas cette action.
    .todo = Revenez à l’accueil du site et recommencez.
expectation-failed =
    .title = Demande impossible
    .words = Votre logiciel pose une condition que ce serveur ne peut pas remplir.
    .todo = Utilisez un navigateur à jour.
ambiguous =
    .title = Adresse ambiguë
    .words = Cette adresse peut se lire de plusieurs façons, qui mènent à des endroits différents.
    .todo = Revenez à l’accueil du site et recommencez.
misdirected =
    .title = Rien à cette adresse
    .words = Aucun site n’est servi à cette adresse.
    .todo = Vérifiez l’adresse, puis recommencez.
other-connection =
    .title = Connexion ouverte pour une autre adresse
    .words = Votre navigateur a utilisé une connexion qui appartient à un autre site.
    .todo = Rechargez la page : votre navigateur ouvrira une nouvelle connexion.
portal-down =
    .title = Le site ne répond pas
    .words = Le site est arrêté ou en panne. Nous le surveillons sans cesse.
    .todo = Inutile d’appeler l’établissement.
portal-broken =
    .title = Le site a mal répondu
    .words = Nous n’avons pas pu lire la réponse du site.
    .todo = Si vous veniez d’envoyer un formulaire, vérifiez s’il a été reçu avant de le renvoyer.
portal-slow =
    .title = Le site est trop lent
    .words = Le site n’a pas répondu à temps.
    .todo = Si vous veniez d’envoyer un formulaire, vérifiez s’il a été reçu avant de le renvoyer.
part-unavailable =
    .title = Page indisponible pour le moment
    .words = Le site répond, mais pas cette partie : elle est arrêtée ou trop demandée. D’autres pages peuvent marcher.
    .todo = Si vous veniez d’envoyer un formulaire, vérifiez s’il a été reçu avant de le renvoyer.
part-broken =
    .title = Page en panne
    .words = Le site répond, mais cette partie est en panne. D’autres pages peuvent marcher.
    .todo = Si vous veniez d’envoyer un formulaire, vérifiez s’il a été reçu avant de le renvoyer.
part-slow =
    .title = Page trop lente
    .words = Le site répond, mais pas cette partie : elle met trop de temps. D’autres pages peuvent marcher.
    .todo = Si vous veniez d’envoyer un formulaire, vérifiez s’il a été reçu avant de le renvoyer.
part-failed =
    .title = Page en erreur
    .words = Le site a répondu par une erreur, sans un mot de plus. D’autres pages peuvent marcher.
    .todo = Si vous veniez d’envoyer un formulaire, vérifiez s’il a été reçu avant de le renvoyer.
loop =
    .title = Le site tourne en rond
    .words = Le site nous renvoie les demandes que nous lui confions. C’est une erreur de réglage.
    .todo = Les responsables du site doivent la corriger. Revenez plus tard.
busy =
    .title = Le site est très demandé
    .words = Le site a trop de travail en ce moment. Vous êtes toujours à l’intérieur.
    .todo = Votre demande n’a pas été envoyée au site. Vous pouvez la refaire sans risque.
closed =
    .title = Le site est fermé
    .words = Les responsables du site l’ont fermé pour le moment.
    .todo = Revenez plus tard. Inutile d’appeler l’établissement.
line-full =
    .title = La file est pleine
    .words = Trop de personnes attendent déjà. Nous ne pouvons pas vous donner de place pour l’instant.
    .todo = Revenez un peu plus tard.
too-many-tickets =
    .title = Trop de demandes à la fois
    .words = Beaucoup de personnes arrivent en même temps de votre réseau.
    .todo = Si vous attendiez déjà, votre place est gardée.
draining =
    .title = Un instant
    .words = Nous redémarrons. Les places et les visites sont gardées.
    .todo = Votre demande n’a pas été envoyée au site. Vous pouvez la refaire sans risque.
internal =
    .title = Une erreur de notre part
    .words = La salle d’attente n’a pas pu traiter votre demande.
    .todo = Si le problème dure, donnez la référence ci-dessous au support du site.
not-inside =
    .title = Ouvrez d’abord une page
    .words = Vous n’êtes pas encore à l’intérieur du site.
    .todo = Ouvrez une page du site : vous entrerez, ou vous prendrez place dans la file.
too-slow =
    .title = Demande arrivée trop lentement
    .words = Votre demande n’est pas arrivée en entier : la connexion est sans doute mauvaise.
    .todo = Vérifiez votre connexion, puis recommencez.
plain-port =
    .title = Ce n’est pas la bonne adresse
    .words = Ce port parle HTTP, et votre logiciel HTTPS.
    .todo = Vérifiez l’adresse : le port, ou « http » au lieu de « https ».
tls-port =
    .title = Ce n’est pas la bonne adresse
    .words = Ce port parle HTTPS, et votre logiciel HTTP.
    .todo = Écrivez « https » au début de l’adresse, au lieu de « http ».
too-many-connections =
    .title = Trop de connexions
    .words = Trop de connexions sont ouvertes en ce moment, chez nous ou depuis votre réseau.
    .todo = Si vous êtes à l’intérieur ou dans la file, vous y restez. Recommencez dans un instant.
