/* SPDX-License-Identifier: MIT */
/* What goes to a terminal: colour where it is wanted, tables with aligned columns. */
#ifndef DEMI_TERM_H
#define DEMI_TERM_H

#include "core/base.h"

#include <stdio.h>

enum style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_GOOD, STYLE_WARN, STYLE_BAD };

/* Begins a style on stdout: "" unless stdout is a terminal that has colours and NO_COLOR is not set. */
const char *style_begin(enum style s);
const char *style_end(enum style s);

bool stdout_is_terminal(void);

/* Clears the screen, for a picture that is drawn again and again. Nothing when stdout is not a terminal. */
void screen_home(void);

#define TABLE_COLUMNS 16

struct table_row {
    char *cell[TABLE_COLUMNS];
    enum style style[TABLE_COLUMNS];
    bool note; /* one text over all columns */
};

/* Rows are collected and printed with columns as wide as their widest cell. */
struct table {
    unsigned columns;
    const char *align; /* a letter a column: l or r */
    struct table_row *rows;
    size_t count, room;
    bool failed; /* out of memory: rows are missing */
};

void table_init(struct table *t, const char *align);

/* Begins a row; then a call for each cell, in order. Control characters in a text are replaced. */
void table_row(struct table *t);
void table_cell(struct table *t, enum style s, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* A line of text between the rows, which the columns do not make room for. */
void table_note(struct table *t, enum style s, const char *text);

/* Prints all rows after indent spaces and frees them. */
void table_print(struct table *t, unsigned indent);

/* A number in at most six characters: 0 to 99999 as it is, then with k, M, G, T, P (powers of 1000). */
const char *number_text(double value, char buf[16]);

/* Seconds as "12s", "3m05s", "2h10m", "5d03h". */
const char *duration_text(uint64_t seconds, char buf[24]);

#endif /* DEMI_TERM_H */
