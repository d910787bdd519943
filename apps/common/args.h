/* SPDX-License-Identifier: MIT */
/* Values of command line options: strict numbers with bounds, and messages that say which option was wrong and why. */
#ifndef APPS_COMMON_ARGS_H
#define APPS_COMMON_ARGS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

/* Exit codes of every program here. */
#define EXIT_OK    0
#define EXIT_FAIL  1
#define EXIT_USAGE 2

/* Name of the program in messages; set once at start. */
extern const char *program_name;

/* Prints "program: message" to stderr. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/* As complain(), followed by a hint at --help. Returns EXIT_USAGE. */
__attribute__((format(printf, 1, 2))) int complain_usage(const char *format, ...);

/* What a program's command line may say. */
struct args_spec {
    const char *help;
    const char *shorts; /* as getopt_long wants them, ':' first */
    const struct option *longs;
    bool (*take)(void *out, int option); /* one option, with optarg; false: it was wrong and that was said */
};

/*
 * Reads the options from argv[first] on; operands there are none. EXIT_OK; EXIT_USAGE: something was wrong and that was
 * said; -1: help was asked for and printed. program_end() below takes what is not EXIT_OK.
 */
int args_parse(int argc, char **argv, int first, const struct args_spec *spec, void *out);

/* The same for programs that are 'server' or 'client' by their first argument; *server says which. */
int args_parse_role(int argc, char **argv, const struct args_spec *spec, void *out, bool *server);

/*
 * What main() returns: rc, EXIT_OK for the -1 above, and EXIT_FAIL, which is then said, where rc is fine and what was
 * printed could not be written: a full disk does not look like success.
 */
int program_end(int rc);

/*
 * Reads a decimal number between min and max from an option's text. On anything else complains, naming the option, and
 * returns false with *out untouched.
 */
bool arg_u64(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *out);
bool arg_u32(const char *option, const char *text, uint32_t min, uint32_t max, uint32_t *out);
bool arg_f64(const char *option, const char *text, double min, double max, double *out);

/* As arg_f64 for a number of seconds, or of milliseconds, given back in nanoseconds. */
bool arg_seconds(const char *option, const char *text, double min_s, double max_s, uint64_t *out_ns);
bool arg_milliseconds(const char *option, const char *text, double min_ms, double max_ms, uint64_t *out_ns);

#endif /* APPS_COMMON_ARGS_H */
