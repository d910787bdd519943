/* SPDX-License-Identifier: MIT */
/* The demi command: one function for each of its commands. */
#ifndef DEMI_DEMI_H
#define DEMI_DEMI_H

#include "../common/command.h"
#include "core/config.h"

/* Exit codes. */
#define DEMI_OK    COMMAND_OK
#define DEMI_FAIL  COMMAND_FAIL
#define DEMI_USAGE COMMAND_USAGE

/* argv[0] is the command's own name. Return an exit code. */
int cmd_config(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_pcap(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_xdp(int argc, char **argv);

/* Reads an option's seconds, which may have a fraction. false: usage_error was called. */
bool option_seconds(const char *command, const char *option, const char *text, double *out);

/* The settings a program started here would get: defaults, CONFIG_PATH, environment. Negative errno and a text. */
int settings_read(struct config *c, struct error_text *et);

#endif /* DEMI_DEMI_H */
