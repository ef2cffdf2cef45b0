<?php
// The portal is overrun: 503 and not one byte of body, as seen on 16 March 2020.

declare(strict_types=1);
require __DIR__ . '/journal.php';

journal();
http_response_code(503);
