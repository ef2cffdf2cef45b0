<?php
// A portal whose pages a service worker passes on, as they came.

declare(strict_types=1);
require __DIR__ . '/journal.php';

$chemin = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
journal();

if ($chemin === '/travailleur.js') {
    header('Content-Type: text/javascript');
    echo <<<'JS'
        addEventListener('install', () => skipWaiting());
        addEventListener('activate', event => event.waitUntil(clients.claim()));
        addEventListener('fetch', event => event.respondWith(fetch(event.request)));
        JS;
    return;
}
header('Content-Type: text/html; charset=utf-8');
?>
<!doctype html>
<html lang="fr"><head><meta charset="utf-8"><title>Sans travailleur</title>
<script>
const passe = () => { document.title = 'Passe par un travailleur'; };
navigator.serviceWorker.oncontrollerchange = passe;
navigator.serviceWorker.register('/travailleur.js');
if (navigator.serviceWorker.controller) passe();
</script></head>
<body><h1><?= htmlspecialchars($chemin) ?></h1></body></html>
