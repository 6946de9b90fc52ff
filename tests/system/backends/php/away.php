<?php
/* SPDX-License-Identifier: MIT */
/* As after a form: sends the client elsewhere. */
header("Location: /told.php?from=away", true, 303);
setcookie("flash", "saved");
setcookie("theme", "dark");
