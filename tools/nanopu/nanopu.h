/* SPDX-License-Identifier: MIT */
/* The nanopu command: one function for each of its commands. */
#ifndef NANOPU_NANOPU_H
#define NANOPU_NANOPU_H

#include "core/base.h"

/* Exit codes of the command itself; `nanopu run` passes on a guest's exit code. */
#define NANOPU_OK    0
#define NANOPU_FAIL  1
#define NANOPU_USAGE 2

/* argv[0] is the command's own name. Return an exit code. */
int cmd_bench(int argc, char **argv);
int cmd_cc(int argc, char **argv);
int cmd_dis(int argc, char **argv);
int cmd_help(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_params(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_topo(int argc, char **argv);
int cmd_version(int argc, char **argv);

/* Says on stderr what is wrong with the arguments and how it is used; returns NANOPU_USAGE. */
int usage_error(const char *command, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Prints the help of one command. */
void print_help(const char *command);

/* Says "nanopu: message" on stderr; returns NANOPU_FAIL. */
int fail(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif /* NANOPU_NANOPU_H */
