/* SPDX-License-Identifier: MIT */
/* The demi command: one function for each of its commands. */
#ifndef DEMI_DEMI_H
#define DEMI_DEMI_H

#include "core/config.h"

/* Exit codes. */
#define DEMI_OK    0
#define DEMI_FAIL  1
#define DEMI_USAGE 2

/* argv[0] is the command's own name. Return an exit code. */
int cmd_config(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_help(int argc, char **argv);
int cmd_pcap(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_version(int argc, char **argv);

/* Says on stderr what is wrong with the arguments and where help is; returns DEMI_USAGE. */
int usage_error(const char *command, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Prints the help of one command. */
void print_help(const char *command);

/* Says "demi: message" on stderr; returns DEMI_FAIL. */
int fail(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Reads an option's decimal number between min and max. false: usage_error was called. */
bool option_number(const char *command, const char *option, const char *text, uint64_t min, uint64_t max,
                   uint64_t *out);

/* The same for seconds, which may have a fraction. */
bool option_seconds(const char *command, const char *option, const char *text, double *out);

/* The settings a program started here would get: defaults, CONFIG_PATH, environment. Negative errno and a text. */
int settings_read(struct config *c, struct error_text *et);

#endif /* DEMI_DEMI_H */
