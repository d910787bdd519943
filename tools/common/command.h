/* SPDX-License-Identifier: MIT */
/* A program of commands: the table that a program has, and what all such programs do with it. */
#ifndef TOOLS_COMMAND_H
#define TOOLS_COMMAND_H

#include "core/base.h"

/* Exit codes. */
#define COMMAND_OK    0
#define COMMAND_FAIL  1
#define COMMAND_USAGE 2

struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the command's own name; returns an exit code */
    const char *args;
    const char *what; /* one line */
    const char *help; /* the options */
};

/* The program's, in its main.c. */
extern const char program_name[];
extern const struct command commands[];
extern const size_t command_count;

/* Runs what the arguments ask for. A full disk or a closed pipe does not look like success. */
int command_main(int argc, char **argv);

/* Two commands that each program has. */
int cmd_help(int argc, char **argv);
int cmd_version(int argc, char **argv);

/* Prints the help of one command. */
void print_help(const char *command);

/* Says on stderr what is wrong with the arguments and how it is used; returns COMMAND_USAGE. */
int usage_error(const char *command, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Says "PROGRAM: message" on stderr; returns COMMAND_FAIL. */
int fail(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Reads an option's decimal number between min and max. false: usage_error was called. */
bool option_number(const char *command, const char *option, const char *text, uint64_t min, uint64_t max,
                   uint64_t *out);

#endif /* TOOLS_COMMAND_H */
