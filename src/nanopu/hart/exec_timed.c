/* SPDX-License-Identifier: MIT */
/* The core with timing. */
#define EXEC_NAME  hart_exec_timed
#define EXEC_TIMED 1
#include "nanopu/hart/exec_core.h"
