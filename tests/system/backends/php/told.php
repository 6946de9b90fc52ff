<?php
/* SPDX-License-Identifier: MIT */
/* Tells what it was told. */
$input = file_get_contents("php://input");
header("Content-Type: application/json");
echo json_encode([
	"server" => $_SERVER,
	"get" => $_GET,
	"post" => $_POST,
	"cookie" => $_COOKIE,
	"length" => strlen($input),
	"sha256" => hash("sha256", $input),
], JSON_INVALID_UTF8_SUBSTITUTE);
