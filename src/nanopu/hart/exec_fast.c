/* SPDX-License-Identifier: MIT */
/* The core without timing: one cycle an instruction. */
#define EXEC_NAME  hart_exec_fast
#define EXEC_TIMED 0
#include "nanopu/hart/exec_core.h"
