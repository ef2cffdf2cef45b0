<?php
// Sign-ons as CAS and SAML do them: a ticket is good once, and the service asks CAS about it by a
// call of its own, without any cookie, by the same way as visitors come.

declare(strict_types=1);

/** The form, or at once a ticket for whoever has signed on here before. */
function cas_connexion(): void
{
    $service = (string) ($_GET['service'] ?? '');
    $prenom = $_POST['prenom'] ?? $_COOKIE['CASTGC'] ?? null;
    if ($prenom === null) {
        page('Connexion', '<form method="post"><label>Prénom <input name="prenom" required></label>'
            . '<button>Se connecter</button></form>');
        return;
    }
    $ticket = 'ST-' . bin2hex(random_bytes(8));
    file_put_contents(billet($ticket), (string) $prenom);
    setcookie('CASTGC', (string) $prenom, ['path' => '/cas', 'httponly' => true]);
    header("Location: $service?ticket=$ticket", true, 302);
}

/** Says whose ticket it is, once. */
function cas_validation(): void
{
    $chemin = billet((string) ($_GET['ticket'] ?? ''));
    header('Content-Type: application/xml');
    if (!is_file($chemin)) {
        echo '<cas:authenticationFailure code="INVALID_TICKET"/>';
        return;
    }
    echo '<cas:user>', htmlspecialchars(file_get_contents($chemin)), '</cas:user>';
    unlink($chemin);
}

/** A service of that CAS: `/ent` on any host. */
function ent(): void
{
    if (isset($_GET['ticket'])) {
        $reponse = demande_a_cas((string) $_GET['ticket']);
        if (!preg_match('~<cas:user>(.*)</cas:user>~', $reponse, $trouve)) {
            http_response_code(403);
            page('Refusé', '<p>Le billet ne vaut rien.</p>');
            return;
        }
        entrer($trouve[1]);
        header('Location: /ent', true, 302);
        return;
    }
    $prenom = connecte();
    if ($prenom === null) {
        header('Location: http://cas.example.fr/cas/login?service=http://www.example.fr/ent', true, 302);
        return;
    }
    page('ENT', '<p>Bonjour <strong id="prenom">' . htmlspecialchars($prenom) . '</strong></p>');
}

/** A SAML response is believed as it comes: only its way matters here. */
function acs(): void
{
    entrer((string) ($_POST['SAMLResponse'] ?? ''));
    header('Location: /ent', true, 302);
}

function entrer(string $prenom): void
{
    session_start();
    $_SESSION['prenom'] = $prenom;
    session_write_close();
}

function connecte(): ?string
{
    if (!isset($_COOKIE[session_name()])) {
        return null;
    }
    session_start(['read_and_close' => true]);
    return $_SESSION['prenom'] ?? null;
}

/** Through the proxy, whose address the test has left beside the log. */
function demande_a_cas(string $ticket): string
{
    $proxy = file_get_contents(dirname($_SERVER['PORTAL_LOG']) . '/proxy');
    $contexte = stream_context_create(['http' => [
        'header' => "Host: cas.example.fr\r\nUser-Agent: service\r\nConnection: close",
        'timeout' => 10,
        'ignore_errors' => true,
    ]]);
    $service = urlencode('http://www.example.fr/ent');
    $adresse = "http://$proxy/cas/serviceValidate?service=$service&ticket=" . urlencode($ticket);
    return (string) file_get_contents($adresse, false, $contexte);
}

function billet(string $ticket): string
{
    return ini_get('session.save_path') . '/billet-' . preg_replace('~[^A-Za-z0-9-]~', '', $ticket);
}
