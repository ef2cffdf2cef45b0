<?php
// A small school portal, as a real one behaves: a public home page, a sign-on with a PHP
// session, pages behind it, a slow one, a broken one, uploads and downloads.

declare(strict_types=1);
require __DIR__ . '/journal.php';
require __DIR__ . '/sso.php';

const BLOC = 'Les enfants attendent sous le préau, au sec et dans l\'ordre. ';

$chemin = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
journal();

match ($chemin) {
    '/' => page('Accueil', '<p>Bienvenue au lycée des Tilleuls.</p><p><a href="/espace">Mon espace</a></p>'),
    '/connexion' => $_SERVER['REQUEST_METHOD'] === 'POST' ? ouvrir_session() : formulaire(),
    '/espace' => espace(),
    '/deconnexion' => fermer_session(),
    '/cas/login' => cas_connexion(),
    '/cas/serviceValidate' => cas_validation(),
    '/ent' => ent(),
    '/auth/saml/acs' => acs(),
    '/lent' => lent(),
    '/televersement' => televersement(),
    '/telechargement' => telechargement(),
    '/temoins' => temoins(),
    '/sante' => texte('en service'),
    '/erreur' => http_response_code(500),
    default => introuvable(),
};

function page(string $titre, string $corps): void
{
    header('Content-Type: text/html; charset=utf-8');
    $titre = htmlspecialchars($titre);
    echo "<!doctype html>\n<html lang=\"fr\"><head><meta charset=\"utf-8\"><title>$titre</title>",
        '<link rel="stylesheet" href="/assets/style.css"></head>',
        "<body><h1>$titre</h1>$corps</body></html>\n";
}

function texte(string $mots): void
{
    header('Content-Type: text/plain; charset=utf-8');
    echo $mots, "\n";
}

function formulaire(): void
{
    page('Connexion', '<form method="post" action="/connexion"><label>Prénom '
        . '<input name="prenom" required></label><button>Se connecter</button></form>'
        . '<noscript><p>Sans script, tout marche aussi.</p></noscript>');
}

function ouvrir_session(): void
{
    session_start();
    $_SESSION['prenom'] = (string) ($_POST['prenom'] ?? '');
    session_write_close();
    header('Location: /espace', true, 303);
}

function espace(): void
{
    $prenom = null;
    if (isset($_COOKIE[session_name()])) {
        session_start(['read_and_close' => true]);
        $prenom = $_SESSION['prenom'] ?? null;
    }
    if ($prenom === null) {
        header('Location: /connexion', true, 302);
        return;
    }
    page('Mon espace', '<p>Bonjour <strong id="prenom">' . htmlspecialchars($prenom) . '</strong></p>'
        . '<p><a href="/deconnexion">Se déconnecter</a></p>');
}

function fermer_session(): void
{
    if (isset($_COOKIE[session_name()])) {
        session_start();
        session_destroy();
        setcookie(session_name(), '', 1, '/');
    }
    page('Au revoir', '<p>Vous êtes déconnecté.</p>');
}

/** Takes `ms` milliseconds, at most a minute. */
function lent(): void
{
    usleep(1000 * min(60_000, max(0, (int) ($_GET['ms'] ?? 1000))));
    texte('enfin');
}

/** Says how many bytes came and their hash, without ever holding them all. */
function televersement(): void
{
    $hache = hash_init('sha256');
    $octets = hash_update_stream($hache, fopen('php://input', 'rb'));
    header('Content-Type: application/json');
    echo json_encode(['octets' => $octets, 'sha256' => hash_final($hache)]);
}

/** Sends `octets` bytes: chunked, or with a length if `longueur` is given. */
function telechargement(): void
{
    $reste = min(1 << 30, max(0, (int) ($_GET['octets'] ?? 1000)));
    header('Content-Type: application/octet-stream');
    if (isset($_GET['longueur'])) {
        header("Content-Length: $reste");
    }
    while ($reste > 0) {
        $envoi = substr(str_repeat(BLOC, 1024), 0, $reste);
        echo $envoi;
        flush();
        $reste -= strlen($envoi);
    }
}

/** Cookies as real portals write them, among them bytes that are not UTF-8. */
function temoins(): void
{
    header('Set-Cookie: simple=1', false);
    header('Set-Cookie: ancien="a b"; Path=/; Expires=Thu, 01-Jan-2037 00:00:00 GMT; HttpOnly', false);
    header("Set-Cookie: latin=\xe9t\xe9; path=/;secure ;SameSite=None", false);
    header('Set-Cookie: simple=2;   Max-Age=60', false);
    if (isset($_GET['usurpe'])) {
        header('Set-Cookie: preau-ent=usurpe; Path=/', false);
    }
    texte('quatre témoins');
}

function introuvable(): void
{
    http_response_code(404);
    page('Page introuvable', '<p>Cette page n\'existe pas.</p>');
}
