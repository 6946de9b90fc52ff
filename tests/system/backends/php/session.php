<?php
/* SPDX-License-Identifier: MIT */
/* Counts the visits of each visitor. */
session_start();
$_SESSION["visits"] = ($_SESSION["visits"] ?? 0) + 1;
header("Content-Type: text/plain");
echo $_SESSION["visits"];
