<?php
/* SPDX-License-Identifier: MIT */
/* Writes to the log, then dies of a mistake. */
error_log("a line for the log\nand another one");
a_function_that_is_not_there();
