<?php
/* SPDX-License-Identifier: MIT */
/* Much output, in small pieces: 32 bytes for each number. */
header("Content-Type: application/octet-stream");
for ($number = 0; $number < (int)$_GET["n"]; $number++)
	echo md5((string)$number);
