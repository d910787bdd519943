/* SPDX-License-Identifier: MIT */
/* Values of command line options; see args.h. */
#include "args.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *program_name = "program";

void complain(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fprintf(stderr, "%s: ", program_name);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
}

int complain_usage(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fprintf(stderr, "%s: ", program_name);
    vfprintf(stderr, format, list);
    fprintf(stderr, "\nTry '%s --help'.\n", program_name);
    va_end(list);
    return EXIT_USAGE;
}

int args_parse(int argc, char **argv, int first, const struct args_spec *spec, void *out)
{
    optind = first;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, spec->shorts, spec->longs, NULL)) != -1;) {
        if (option == 'h') {
            fputs(spec->help, stdout);
            return -1;
        }
        if (option == '?' || option == ':') {
            return complain_usage("%s '%s'", option == ':' ? "a value is missing after" : "unknown option",
                                  argv[optind - 1]);
        }
        if (!spec->take(out, option)) {
            return EXIT_USAGE;
        }
    }
    return optind < argc ? complain_usage("what is '%s' for?", argv[optind]) : EXIT_OK;
}

int args_parse_role(int argc, char **argv, const struct args_spec *spec, void *out, bool *server)
{
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(spec->help, stdout);
        return -1;
    }
    if (argc < 2 || (strcmp(argv[1], "server") != 0 && strcmp(argv[1], "client") != 0)) {
        return complain_usage("say 'server' or 'client' first");
    }
    *server = strcmp(argv[1], "server") == 0;
    return args_parse(argc, argv, 2, spec, out);
}

int program_end(int rc)
{
    bool written = fflush(stdout) == 0 && ferror(stdout) == 0;

    if (rc < 0) {
        rc = EXIT_OK;
    }
    if (!written && rc == EXIT_OK) {
        complain("the output could not be written");
        rc = EXIT_FAIL;
    }
    return rc;
}

bool arg_u64(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end = NULL;
    errno = 0;
    /* strtoull takes blanks and signs; a number here begins with a digit. */
    uint64_t value = isdigit((unsigned char)text[0]) ? strtoull(text, &end, 10) : 0;
    if (end == NULL || *end != '\0' || errno != 0 || value < min || value > max) {
        complain_usage("--%s: '%s' is not a number from %" PRIu64 " to %" PRIu64, option, text, min, max);
        return false;
    }
    *out = value;
    return true;
}

bool arg_u32(const char *option, const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
    uint64_t value;
    if (!arg_u64(option, text, min, max, &value)) {
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

bool arg_f64(const char *option, const char *text, double min, double max, double *out)
{
    char *end = NULL;
    bool begins_well = isdigit((unsigned char)text[0]) || text[0] == '.';
    double value = begins_well ? strtod(text, &end) : 0;
    if (end == NULL || end == text || *end != '\0' || !isfinite(value) || value < min || value > max) {
        complain_usage("--%s: '%s' is not a number from %g to %g", option, text, min, max);
        return false;
    }
    *out = value;
    return true;
}

static bool arg_scaled(const char *option, const char *text, double min, double max, double scale, uint64_t *out_ns)
{
    double value;
    if (!arg_f64(option, text, min, max, &value)) {
        return false;
    }
    *out_ns = (uint64_t)llround(value * scale);
    return true;
}

bool arg_seconds(const char *option, const char *text, double min_s, double max_s, uint64_t *out_ns)
{
    return arg_scaled(option, text, min_s, max_s, 1e9, out_ns);
}

bool arg_milliseconds(const char *option, const char *text, double min_ms, double max_ms, uint64_t *out_ns)
{
    return arg_scaled(option, text, min_ms, max_ms, 1e6, out_ns);
}
