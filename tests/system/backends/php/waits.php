<?php
/* SPDX-License-Identifier: MIT */
/* Says nothing until a file is there. */
while (!file_exists($_GET["gate"])) {
	clearstatcache();
	usleep(5000);
}
echo "at last\n";
