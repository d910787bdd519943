/* SPDX-License-Identifier: MIT */
/* nanopu params: the list of parameters. */
#include "nanopu.h"

#include "nanopu/sim/params.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void print_table(void)
{
    printf("%-22s %8s %8s  %-22s %s\n", "key", "osdi21", "homa", "bounds", "what it is");
    for (size_t i = 0; i < param_list_len; i++) {
        const struct param_info *p = &param_list[i];
        char bounds[48];

        snprintf(bounds, sizeof(bounds), "%" PRId64 " to %" PRId64, p->low, p->high);
        printf("%-22s %8" PRId64 " %8" PRId64 "  %-22s %s\n", p->key, p->osdi21, p->homa, bounds, p->help);
    }
}

/* The texts have no characters that JSON would want escaped; they are constants of this program. */
static void print_json(void)
{
    printf("{\"params\": [");
    for (size_t i = 0; i < param_list_len; i++) {
        const struct param_info *p = &param_list[i];

        printf("%s\n  {\"key\": \"%s\", \"osdi21\": %" PRId64 ", \"homa\": %" PRId64 ", \"min\": %" PRId64
               ", \"max\": %" PRId64 ", \"help\": \"%s\"}",
               i > 0 ? "," : "", p->key, p->osdi21, p->homa, p->low, p->high, p->help);
    }
    printf("\n]}\n");
}

int cmd_params(int argc, char **argv)
{
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;

    if (argc > 1 && !json)
        return usage_error("params", "unexpected argument \"%s\"", argv[1]);
    if (json)
        print_json();
    else
        print_table();
    return NANOPU_OK;
}
