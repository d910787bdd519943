/* SPDX-License-Identifier: MIT */
/* The nanopu command: one function for each of its commands. */
#ifndef NANOPU_NANOPU_H
#define NANOPU_NANOPU_H

#include "../common/command.h"

/* Exit codes of the command itself; `nanopu run` passes on a guest's exit code. */
#define NANOPU_OK    COMMAND_OK
#define NANOPU_FAIL  COMMAND_FAIL
#define NANOPU_USAGE COMMAND_USAGE

/* argv[0] is the command's own name. Return an exit code. */
int cmd_bench(int argc, char **argv);
int cmd_cc(int argc, char **argv);
int cmd_dis(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_params(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_topo(int argc, char **argv);

#endif /* NANOPU_NANOPU_H */
