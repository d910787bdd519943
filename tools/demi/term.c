/* SPDX-License-Identifier: MIT */
/* Terminal output: see term.h. */
#include "term.h"

#include "../common/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool stdout_is_terminal(void)
{
    return isatty(STDOUT_FILENO) == 1;
}

static bool colours(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    /* https://no-color.org: any value but the empty one. */
    return stdout_is_terminal() && (no == NULL || no[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0;
}

const char *style_begin(enum style s)
{
    static const char *const codes[] = {
        [STYLE_PLAIN] = "",        [STYLE_BOLD] = "\033[1m",  [STYLE_DIM] = "\033[2m",
        [STYLE_GOOD] = "\033[32m", [STYLE_WARN] = "\033[33m", [STYLE_BAD] = "\033[31m",
    };

    return colours() ? codes[s] : "";
}

const char *style_end(enum style s)
{
    return s != STYLE_PLAIN && colours() ? "\033[0m" : "";
}

void screen_home(void)
{
    if (stdout_is_terminal())
        fputs("\033[H\033[J", stdout);
}

void table_init(struct table *t, const char *align)
{
    memset(t, 0, sizeof(*t));
    t->align = align;
    assert(strlen(align) <= TABLE_COLUMNS);
}

void table_row(struct table *t)
{
    size_t room = t->room == 0 ? 16 : t->room * 2;
    struct table_row *rows;

    t->columns = 0;
    if (t->count == t->room) {
        rows = realloc(t->rows, room * sizeof(*rows));
        if (rows == NULL) {
            t->failed = true;
            return;
        }
        t->rows = rows;
        t->room = room;
    }
    memset(&t->rows[t->count++], 0, sizeof(*t->rows));
}

void table_cell(struct table *t, enum style s, const char *fmt, ...)
{
    struct table_row *row;
    va_list ap;
    char *text;

    if (t->failed)
        return;
    assert(t->count > 0 && t->columns < strlen(t->align));
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0) {
        text = NULL;
        t->failed = true;
    }
    va_end(ap);
    if (text == NULL)
        return;
    text_clean(text);
    row = &t->rows[t->count - 1];
    row->style[t->columns] = s;
    row->cell[t->columns++] = text;
}

void table_note(struct table *t, enum style s, const char *text)
{
    table_row(t);
    table_cell(t, s, "%s", text);
    if (!t->failed)
        t->rows[t->count - 1].note = true;
}

/* Columns of a terminal that a text takes: continuation bytes of UTF-8 take none. */
static unsigned width(const char *text)
{
    unsigned n = 0;

    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void print_row(const struct table *t, const struct table_row *row, const unsigned *widths, unsigned indent)
{
    unsigned last = 0;

    for (unsigned c = 0; c < strlen(t->align); c++) {
        if (row->cell[c] != NULL && row->cell[c][0] != '\0')
            last = c;
    }
    printf("%*s", (int)indent, "");
    if (row->note) {
        printf("%s%s%s\n", style_begin(row->style[0]), row->cell[0], style_end(row->style[0]));
        return;
    }
    for (unsigned c = 0; c <= last; c++) {
        const char *text = row->cell[c] != NULL ? row->cell[c] : "";
        int pad = (int)(widths[c] - width(text));
        bool right = t->align[c] == 'r';

        printf("%*s%s%s%s", right ? pad : 0, "", style_begin(row->style[c]), text, style_end(row->style[c]));
        if (c != last)
            printf("%*s  ", right ? 0 : pad, "");
    }
    putchar('\n');
}

void table_print(struct table *t, unsigned indent)
{
    unsigned widths[TABLE_COLUMNS] = {0};

    for (size_t i = 0; i < t->count; i++) {
        for (unsigned c = 0; c < TABLE_COLUMNS; c++) {
            const char *text = t->rows[i].cell[c];

            if (text != NULL && !t->rows[i].note && width(text) > widths[c])
                widths[c] = width(text);
        }
    }
    for (size_t i = 0; i < t->count; i++) {
        print_row(t, &t->rows[i], widths, indent);
        for (unsigned c = 0; c < TABLE_COLUMNS; c++)
            free(t->rows[i].cell[c]);
    }
    free(t->rows);
    if (t->failed)
        fprintf(stderr, "demi: out of memory, rows are missing\n");
    table_init(t, t->align);
}

const char *number_text(double value, char buf[16])
{
    static const char suffix[] = "kMGTP";
    unsigned at = 0;

    if (value < 99999.5) {
        snprintf(buf, 16, value < 10 && value > 0 && value != (double)(uint64_t)value ? "%.1f" : "%.0f", value);
        return buf;
    }
    for (value /= 1000; value >= 999.5 && at < sizeof(suffix) - 2; at++)
        value /= 1000;
    snprintf(buf, 16, "%.*f%c", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value, suffix[at]);
    return buf;
}

const char *duration_text(uint64_t s, char buf[24])
{
    if (s < 60)
        snprintf(buf, 24, "%" PRIu64 "s", s);
    else if (s < 3600)
        snprintf(buf, 24, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(buf, 24, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
    else
        snprintf(buf, 24, "%" PRIu64 "d%02" PRIu64 "h", s / 86400, s / 3600 % 24);
    return buf;
}
