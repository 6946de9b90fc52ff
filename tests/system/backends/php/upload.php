<?php
/* SPDX-License-Identifier: MIT */
/* Takes files of a form. */
$files = [];
foreach ($_FILES as $field => $file) {
	$files[$field] = ["name" => $file["name"], "size" => $file["size"], "error" => $file["error"]];
	if ($file["error"] === UPLOAD_ERR_OK)
		$files[$field]["sha256"] = hash_file("sha256", $file["tmp_name"]);
}
header("Content-Type: application/json");
echo json_encode(["files" => $files, "post" => $_POST]);
