<?php
// Counts visits in PHP's own session, kept in files of this server: php -d session.save_path=DIRECTORY -S 127.0.0.1:PORT -t . index.php
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
header('Content-Type: application/json');
if ($path === '/healthz.php') {
    echo json_encode('ok');
    return;
}
session_start();
$id = getenv('SERVER_ID');
if ($path === '/login') {
    session_regenerate_id(true);
    $_SESSION['user'] = json_decode(file_get_contents('php://input'), true)['user'];
    $_SESSION['count'] = 0;
    echo json_encode(['id' => $id, 'user' => $_SESSION['user'], 'count' => 0]);
} elseif (!isset($_SESSION['user'])) {
    http_response_code(401);
    echo json_encode(['id' => $id, 'error' => 'log in first']);
} elseif ($path === '/count') {
    $_SESSION['count']++;
    echo json_encode(['id' => $id, 'user' => $_SESSION['user'], 'count' => $_SESSION['count']]);
} elseif ($path === '/logout') {
    $answer = json_encode(['id' => $id, 'user' => $_SESSION['user'], 'count' => $_SESSION['count']]);
    $_SESSION = [];
    session_destroy();
    // As the manual of session_destroy() says: the cookie goes too.
    setcookie(session_name(), '', time() - 42000, '/');
    echo $answer;
} else {
    http_response_code(404);
}
