/* SPDX-License-Identifier: MIT */
/* demi: looks into running instances, into what a crash left, and at what a machine can do. */
#include "demi.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *args;
    const char *what; /* one line */
    const char *help; /* the options */
};

static const struct command commands[] = {
    {"doctor", cmd_doctor, "[--json]", "which libOSes work on this machine, and what would mend the others",
     "  --json        one JSON object\n"
     "\n"
     "Exit code 0 when the libOS that a program started here would use (LIBOS, ENGINE, CONFIG_PATH) works.\n"},
    {"stat", cmd_stat, "[--pid N] [--all] [--watch [S]] [--json]", "counters of running instances",
     "  --pid N       every counter of the instances of process N\n"
     "  --all         every counter of every instance, and what crashed instances left\n"
     "  --watch [S]   again every S seconds (1), with rates\n"
     "  --count N     end after N times\n"
     "  --dir DIR     run directory (default: the setting run_dir; as root: everybody's)\n"
     "  --json        one JSON object, with --watch one a line\n"},
    {"trace", cmd_trace, "[FILE | --pid N | --list] [--follow] [--last N] [--json]",
     "the last events of an instance, living or crashed",
     "  FILE          a trace file; without any, the newest there is\n"
     "  --pid N       the instances of process N\n"
     "  --list        the trace files there are\n"
     "  --follow      go on with what happens next\n"
     "  --last N      only the last N events\n"
     "  --dir DIR     run directory (default: the setting run_dir; as root: everybody's)\n"
     "  --json        one JSON object a line: first the file, then its events\n"},
    {"pcap", cmd_pcap, "[--flows N] [--json] FILE", "what is in a capture: its flows, and what was dropped and why",
     "  FILE          a pcapng file, such as the setting pcap writes; - for what comes in\n"
     "  --flows N     only the N flows with the most bytes (20; with --json all)\n"
     "  --json        one JSON object\n"
     "\n"
     "PCAP=FILE in a program's environment captures what its TCP/IP stack receives and sends.\n"},
    {"config", cmd_config, "[--json | --yaml]", "every setting: its value here, its default, what it takes",
     "  --json        one JSON object\n"
     "  --yaml        a commented file to start from; what differs from the default is set in it\n"},
    {"version", cmd_version, "", "the version", ""},
    {"help", cmd_help, "[COMMAND]", "this, or a command's options", ""},
};

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static void print_overview(FILE *out)
{
    fprintf(out, "usage: demi COMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].what);
    fprintf(out, "\n`demi help COMMAND` tells a command's options.\n");
}

void print_help(const char *command)
{
    const struct command *c = find(command);

    assert(c != NULL);
    printf("usage: demi %s %s\n%s\n", c->name, c->args, c->what);
    if (c->help[0] != '\0')
        printf("\n%s", c->help);
}

int usage_error(const char *command, const char *fmt, ...)
{
    const struct command *c = find(command);
    va_list ap;

    fprintf(stderr, "demi %s: ", command);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\nusage: demi %s %s\n", command, c != NULL ? c->args : "");
    return DEMI_USAGE;
}

int fail(const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "demi: ");
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    return DEMI_FAIL;
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
    usage_error(command, "%s takes a number from %llu to %llu, not \"%s\"", option, (unsigned long long)min,
                (unsigned long long)max, text);
    return false;
}

bool option_seconds(const char *command, const char *option, const char *text, double *out)
{
    char *end;
    double value = strtod(text, &end);

    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && value >= 0.01 && value <= 86400) {
        *out = value;
        return true;
    }
    usage_error(command, "%s takes seconds from 0.01 to 86400, not \"%s\"", option, text);
    return false;
}

int settings_read(struct config *c, struct error_text *et)
{
    const char *path = getenv("CONFIG_PATH");
    int ret = 0;

    config_defaults(c);
    if (path != NULL && path[0] != '\0')
        ret = config_read_file(c, path, et);
    return ret == 0 ? config_read_env(c, et) : ret;
}

int cmd_version(int argc, char **argv)
{
    if (argc > 1)
        return usage_error("version", "it takes no argument, such as \"%s\"", argv[1]);
    printf("demi %s\n", CARACAL_VERSION);
    return DEMI_OK;
}

int cmd_help(int argc, char **argv)
{
    if (argc > 2)
        return usage_error("help", "one command at a time");
    if (argc == 2 && find(argv[1]) == NULL)
        return usage_error("help", "there is no command \"%s\"", argv[1]);
    if (argc == 2)
        print_help(argv[1]);
    else
        print_overview(stdout);
    return DEMI_OK;
}

int main(int argc, char **argv)
{
    const struct command *c;
    int ret;

    if (argc < 2) {
        print_overview(stderr);
        return DEMI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return cmd_help(argc - 1, argv + 1);
    if (strcmp(argv[1], "--version") == 0)
        return cmd_version(argc - 1, argv + 1);
    c = find(argv[1]);
    if (c == NULL) {
        fprintf(stderr, "demi: there is no command \"%s\"\n\n", argv[1]);
        print_overview(stderr);
        return DEMI_USAGE;
    }
    ret = c->run(argc - 1, argv + 1);
    /* A full disk or a closed pipe must not look like success. */
    if (fflush(stdout) != 0 || ferror(stdout) != 0)
        return ret != DEMI_OK ? ret : DEMI_FAIL;
    return ret;
}
