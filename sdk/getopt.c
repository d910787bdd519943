/* SPDX-License-Identifier: MIT */
/*
 * getopt and getopt_long: the C library's do not know the leading colon (a missing value is ':', nothing is printed).
 * The first operand ends the options; a long one may be shortened as long as it stays unambiguous.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

char *optarg;
int optind = 1, opterr = 1, optopt;

static int at; /* in a cluster of short options; 0: at its begin */

static int fail(char *const argv[], const char *shorts, const char *what, int option)
{
    optopt = option;
    if (opterr != 0 && shorts[0] != ':')
        fprintf(stderr, "%s: %s: '%s'\n", argv[0], what, argv[optind - 1]);
    return what[0] == 'n' && shorts[0] == ':' ? ':' : '?';
}

/* The long option that a name of so many characters stands for; NULL: none, or several. */
static const struct option *find_long(const struct option *longs, const char *name, size_t len)
{
    const struct option *found = NULL;

    for (; longs != NULL && longs->name != NULL; longs++) {
        if (strncmp(longs->name, name, len) != 0)
            continue;
        if (longs->name[len] == '\0')
            return longs;
        if (found != NULL)
            return NULL;
        found = longs;
    }
    return found;
}

static int take_long(int argc, char *const argv[], const char *shorts, const struct option *longs, int *index)
{
    const char *name = argv[optind++] + 2;
    size_t len = strcspn(name, "=");
    const struct option *o = find_long(longs, name, len);

    if (o == NULL)
        return fail(argv, shorts, "unknown option", 0);
    if (o->has_arg == no_argument && name[len] == '=')
        return fail(argv, shorts, "unwanted value", o->val);
    if (name[len] == '=')
        optarg = (char *)(name + len + 1);
    else if (o->has_arg == required_argument && optind < argc)
        optarg = argv[optind++];
    else if (o->has_arg == required_argument)
        return fail(argv, shorts, "no value", o->val);
    if (index != NULL)
        *index = (int)(o - longs);
    if (o->flag == NULL)
        return o->val;
    *o->flag = o->val;
    return 0;
}

static int take_short(int argc, char *const argv[], const char *shorts)
{
    const char *word = argv[optind], *known;
    int option = word[at == 0 ? at = 1 : at];

    known = option == ':' ? NULL : strchr(shorts, option);
    at++;
    if (word[at] == '\0' || (known != NULL && known[1] == ':')) {
        optarg = known != NULL && known[1] == ':' && word[at] != '\0' ? (char *)(word + at) : NULL;
        optind++;
        at = 0;
    }
    if (known == NULL)
        return fail(argv, shorts, "unknown option", option);
    if (known[1] != ':' || optarg != NULL)
        return option;
    if (optind >= argc)
        return fail(argv, shorts, "no value", option);
    optarg = argv[optind++];
    return option;
}

int getopt_long(int argc, char *const argv[], const char *shorts, const struct option *longs, int *index)
{
    optarg = NULL;
    if (at != 0)
        return take_short(argc, argv, shorts);
    if (optind >= argc || argv[optind][0] != '-' || argv[optind][1] == '\0')
        return -1;
    if (strcmp(argv[optind], "--") == 0) {
        optind++;
        return -1;
    }
    return argv[optind][1] == '-' ? take_long(argc, argv, shorts, longs, index) : take_short(argc, argv, shorts);
}

int getopt(int argc, char *const argv[], const char *shorts)
{
    return getopt_long(argc, argv, shorts, NULL, NULL);
}
