<?php
/* SPDX-License-Identifier: MIT */
/* Two parts; the second waits for a file. */
header("Content-Type: text/plain");
echo "one\n";
flush();
while (!file_exists($_GET["gate"])) {
	clearstatcache();
	usleep(5000);
}
echo "two\n";
