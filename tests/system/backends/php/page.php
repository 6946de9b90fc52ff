<?php
/* SPDX-License-Identifier: MIT */
/* A file, of a length that is known. */
header("Content-Type: application/octet-stream");
header("Content-Length: " . filesize(__DIR__ . "/page.bin"));
readfile(__DIR__ . "/page.bin");
