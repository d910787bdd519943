/* SPDX-License-Identifier: MIT */
/* demi config: every setting. */
#include "../common/json.h"
#include "../common/text.h"
#include "demi.h"
#include "term.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static void variable_name(const char *key, char *buf, size_t size)
{
    size_t i;

    for (i = 0; i < size - 1 && key[i] != '\0'; i++)
        buf[i] = key[i] >= 'a' && key[i] <= 'z' ? (char)(key[i] - 'a' + 'A') : key[i];
    buf[i] = '\0';
}

/* YAML would take an empty value as nothing and some texts as syntax. */
static void print_yaml_value(const char *value)
{
    char quoted[TEXT_YAML_MAX(CONFIG_STR_MAX)];
    bool plain = value[0] != '\0';

    for (const char *p = value; *p != '\0'; p++)
        plain = plain && ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                          strchr("_/.+", *p) != NULL);
    if (plain) {
        fputs(value, stdout);
        return;
    }
    text_yaml(quoted, sizeof(quoted), value);
    fputs(quoted, stdout);
}

static void yaml_key(void *arg, const char *name, const char *value, const char *def, const char *takes,
                     const char *help)
{
    (void)arg;
    printf("\n# %s\n# %s\n%s%s: ", help, takes, strcmp(value, def) == 0 ? "#" : "", name);
    print_yaml_value(value);
    putchar('\n');
}

static void json_key(void *arg, const char *name, const char *value, const char *def, const char *takes,
                     const char *help)
{
    struct json *j = arg;
    char variable[64];

    variable_name(name, variable, sizeof(variable));
    json_begin(j, NULL, '{');
    json_text(j, "key", name);
    json_text(j, "variable", variable);
    json_text(j, "value", value);
    json_text(j, "default", def);
    json_text(j, "takes", takes);
    json_text(j, "help", help);
    json_end(j, '{');
}

static void table_key(void *arg, const char *name, const char *value, const char *def, const char *takes,
                      const char *help)
{
    struct table *t = arg;
    bool changed = strcmp(value, def) != 0;
    char note[256];

    table_row(t);
    table_cell(t, STYLE_BOLD, "%s", name);
    table_cell(t, changed ? STYLE_WARN : STYLE_PLAIN, "%s", value[0] != '\0' ? value : "\"\"");
    table_cell(t, STYLE_DIM, "%s", changed ? (def[0] != '\0' ? def : "\"\"") : "");
    table_cell(t, STYLE_PLAIN, "%s", takes);
    snprintf(note, sizeof(note), "  %s", help);
    table_note(t, STYLE_DIM, note);
}

static void print_table(const struct config *c)
{
    const char *path = getenv("CONFIG_PATH");
    struct table t;

    table_init(&t, "llll");
    table_row(&t);
    table_cell(&t, STYLE_DIM, "KEY");
    table_cell(&t, STYLE_DIM, "VALUE");
    table_cell(&t, STYLE_DIM, "DEFAULT");
    table_cell(&t, STYLE_DIM, "TAKES");
    config_each(c, table_key, &t);
    table_print(&t, 0);
    printf("\nFile: %s. Each key is also an environment variable, in upper case; it goes before the file.\n"
           "Numbers may end in k, m or g (2^10, 2^20, 2^30).\n",
           path != NULL && path[0] != '\0' ? path : "none (CONFIG_PATH names one)");
}

int cmd_config(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"yaml", no_argument, NULL, 'y'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct error_text et;
    struct config c;
    struct json j;
    int opt, form = 0;

    opterr = 0;
    while ((opt = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (opt == 'h') {
            print_help("config");
            return DEMI_OK;
        }
        if (opt == '?' || opt == ':')
            return usage_error("config", "unknown option \"%s\"", argv[optind - 1]);
        if (form != 0 && form != opt)
            return usage_error("config", "either --json or --yaml");
        form = opt;
    }
    if (optind != argc)
        return usage_error("config", "unknown argument \"%s\"", argv[optind]);
    if (settings_read(&c, &et) != 0)
        return fail("%s", et.text);
    if (form == 'j') {
        json_init(&j, stdout);
        json_begin(&j, NULL, '{');
        json_begin(&j, "keys", '[');
        config_each(&c, json_key, &j);
        json_end(&j, '[');
        json_end(&j, '{');
        json_line(&j);
    } else if (form == 'y') {
        printf("# Settings of Caracal. CONFIG_PATH=<this file>; see caracal.yaml(5).\n");
        config_each(&c, yaml_key, NULL);
    } else {
        print_table(&c);
    }
    return DEMI_OK;
}
