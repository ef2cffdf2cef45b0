<?php
// What the portal saw, one JSON object a line, in the order of arrival: the tests read it.

declare(strict_types=1);

function journal(): void
{
    $vu = [
        'method' => $_SERVER['REQUEST_METHOD'],
        'path' => parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH),
        'query' => $_SERVER['QUERY_STRING'] ?? '',
        'cookies' => $_SERVER['HTTP_COOKIE'] ?? '',
        'agent' => $_SERVER['HTTP_USER_AGENT'] ?? '',
        'port' => (int) $_SERVER['REMOTE_PORT'],
        'headers' => array_change_key_case(apache_request_headers()),
    ];
    $ligne = json_encode($vu, JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_SLASHES);
    file_put_contents($_SERVER['PORTAL_LOG'], "$ligne\n", FILE_APPEND | LOCK_EX);
}
