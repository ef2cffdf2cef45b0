<?php
// A portal of which one page shows another address in a frame.

declare(strict_types=1);
require __DIR__ . '/journal.php';

$chemin = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
journal();

header('Content-Type: text/html; charset=utf-8');
$texte = htmlspecialchars($chemin);
$cadre = htmlspecialchars($_GET['de'] ?? '');
?>
<!doctype html>
<html lang="fr"><head><meta charset="utf-8"><title><?= $texte ?></title></head>
<body><h1><?= $texte ?></h1>
<?php if ($chemin === '/cadre') { ?>
<iframe title="Le portail" src="<?= $cadre ?>" width="350" height="600"></iframe>
<?php } ?>
</body></html>
