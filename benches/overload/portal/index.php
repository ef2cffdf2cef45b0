<?php
// A portal that bears so much and no more: a form, a sign-on with a PHP session, pages, a way out.
//
// A page takes 40 to 120 ms, by visit and page; the sign-on takes 120. That is with nothing else
// to do. With n requests at once, everything takes 1 + σ(n − 1) + κn(n − 1) times as long: the
// universal scalability law (Gunther, "Guerrilla Capacity Planning", 2007), which says how data bases
// and locks behave. Its first part is the share that goes one after another, its second what all
// have to agree upon with all. Answers per second rise up to about 6 requests at once, and fall
// beyond: with all 24 workers busy there are half as many as at best.
//
// A twentieth of the time is work, as two processors serve the portal, the proxy and the crowd;
// the rest is waiting, as for a data base on another machine.

declare(strict_types=1);

const SIGMA = 0.05;
const KAPPA = 0.03;
/** What is worked on at a stretch, in ms, before looking again how much is going on. */
const STEP = 10.0;
const WORK = 0.05;

define('COUNT', ini_get('session.save_path') . '/requests');

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
match (true) {
    $path === '/sante' => answer('ok'),
    $path === '/' => form(),
    $path === '/connexion' => sign_on(),
    $path === '/deconnexion' => leave(),
    default => page($path),
};

function form(): void
{
    toil(40);
    answer('<form method="post" action="/connexion"><input name="prenom"><button>Entrer</button></form>');
}

function sign_on(): void
{
    toil(120);
    session_start();
    $_SESSION['prenom'] = (string) ($_POST['prenom'] ?? '');
    session_write_close();
    answer('Bonjour');
}

function leave(): void
{
    toil(40);
    session_start();
    session_destroy();
    answer('Au revoir');
}

function page(string $path): void
{
    // Closed at once: who reloads does not wait for their own first request.
    session_start(['read_and_close' => true]);
    if (!isset($_SESSION['prenom'])) {
        http_response_code(403);
        answer('Il faut se connecter.');
        return;
    }
    toil(40 + crc32(session_id() . $path) % 81);
    answer(str_repeat('Un cours, des notes, un cahier de textes. ', 100));
}

function answer(string $words): void
{
    header('Content-Type: text/html; charset=utf-8');
    $page = "<!doctype html><title>Portail</title>$words\n";
    header('Content-Length: ' . strlen($page));
    echo $page;
}

/** Takes so many milliseconds, or longer if there is more to do than this. */
function toil(float $ms): void
{
    count_in(1);
    register_shutdown_function(fn() => count_in(-1));
    for (; $ms > 0; $ms -= STEP) {
        $began = microtime(true);
        $n = max(1, (int) file_get_contents(COUNT));
        $times = 1 + SIGMA * ($n - 1) + KAPPA * $n * ($n - 1);
        $step = min($ms, STEP) / 1000;
        while (microtime(true) < $began + $step * WORK) {
            hash('sha256', (string) $n);
        }
        usleep(max(0, (int) (1e6 * ($began + $step * $times - microtime(true)))));
    }
}

/** How many requests there are now, and the most there ever were. */
function count_in(int $more): void
{
    $file = fopen(COUNT, 'c+');
    flock($file, LOCK_EX);
    [$now, $most] = explode(' ', (fread($file, 13) ?: '') ?: '0 0');
    $now = (int) $now + $more;
    rewind($file);
    fwrite($file, sprintf('%06d %06d', $now, max((int) $most, $now)));
    fclose($file);
}
