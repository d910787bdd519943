/* SPDX-License-Identifier: MIT */
#include "command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static void print_overview(FILE *out)
{
    fprintf(out, "usage: %s COMMAND [OPTIONS]\n\n", program_name);
    for (size_t i = 0; i < command_count; i++)
        fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].what);
    fprintf(out, "\n`%s help COMMAND` tells a command's options.\n", program_name);
}

static void print_usage(FILE *out, const struct command *c)
{
    fprintf(out, "usage: %s %s%s%s\n", program_name, c->name, c->args[0] != '\0' ? " " : "", c->args);
}

void print_help(const char *command)
{
    const struct command *c = find(command);

    assert(c != NULL);
    print_usage(stdout, c);
    printf("%s\n", c->what);
    if (c->help[0] != '\0')
        printf("\n%s", c->help);
}

int usage_error(const char *command, const char *fmt, ...)
{
    const struct command *c = find(command);
    va_list ap;

    fprintf(stderr, "%s %s: ", program_name, command);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    if (c != NULL)
        print_usage(stderr, c);
    return COMMAND_USAGE;
}

int fail(const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "%s: ", program_name);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    return COMMAND_FAIL;
}

bool option_number(const char *command, const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    unsigned long long value;
    char *end;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && value >= min && value <= max) {
        *out = value;
        return true;
    }
    usage_error(command, "%s takes a number from %" PRIu64 " to %" PRIu64 ", not \"%s\"", option, min, max, text);
    return false;
}

int cmd_version(int argc, char **argv)
{
    if (argc > 1)
        return usage_error("version", "it takes no argument, such as \"%s\"", argv[1]);
    printf("%s %s\n", program_name, CARACAL_VERSION);
    return COMMAND_OK;
}

int cmd_help(int argc, char **argv)
{
    if (argc > 2)
        return usage_error("help", "one command at a time");
    if (argc < 2) {
        print_overview(stdout);
        return COMMAND_OK;
    }
    if (find(argv[1]) == NULL)
        return usage_error("help", "there is no command \"%s\"", argv[1]);
    print_help(argv[1]);
    return COMMAND_OK;
}

static bool is_help(const char *arg)
{
    return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

static int run_command(int argc, char **argv)
{
    const struct command *c;

    if (is_help(argv[1]))
        return cmd_help(argc - 1, argv + 1);
    if (strcmp(argv[1], "--version") == 0)
        return cmd_version(argc - 1, argv + 1);
    c = find(argv[1]);
    if (c == NULL) {
        fprintf(stderr, "%s: there is no command \"%s\"\n\n", program_name, argv[1]);
        print_overview(stderr);
        return COMMAND_USAGE;
    }
    if (argc == 3 && is_help(argv[2])) {
        print_help(c->name);
        return COMMAND_OK;
    }
    return c->run(argc - 1, argv + 1);
}

int command_main(int argc, char **argv)
{
    int code;

    if (argc < 2) {
        print_overview(stderr);
        return COMMAND_USAGE;
    }
    code = run_command(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        fprintf(stderr, "%s: the output could not be written\n", program_name);
        return code != COMMAND_OK ? code : COMMAND_FAIL;
    }
    return code;
}
