/* SPDX-License-Identifier: MIT */
#include "cc_check.h"

#include "nanopu/sim/elf.h"
#include "netregs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 4096
#define SEGMENT_EXEC   1

/* The bytes of code at addr, or NULL when they are not all in one executable segment of the file. */
static const uint8_t *code_at(const struct elf_image *image, uint64_t addr, uint64_t len)
{
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct elf_segment *s = &image->segments[i];

        if ((s->flags & SEGMENT_EXEC) != 0 && addr >= s->addr && addr - s->addr < s->file_bytes &&
            len <= s->file_bytes - (addr - s->addr))
            return image->bytes + s->offset + (addr - s->addr);
    }
    return NULL;
}

/* A number of the map, 0xHEX, at *at, which is moved behind it. */
static bool parse_hex(char **at, uint64_t *number)
{
    char *end;

    *at += strspn(*at, " ");
    if (strncmp(*at, "0x", 2) != 0)
        return false;
    *number = strtoull(*at, &end, 16);
    *at = end;
    return true;
}

/*
 * A line of the map that places an input section: " .text.name  0xADDRESS  0xSIZE  FILE", the name perhaps on the line
 * before; it is kept in section. *file is what is left of the line.
 */
static bool parse_line(char *line, char *section, uint64_t *addr, uint64_t *len, char **file)
{
    size_t name;

    if (line[0] != ' ')
        return false;
    line += strspn(line, " ");
    line[strcspn(line, "\n")] = '\0';
    name = line[0] == '.' ? strcspn(line, " ") : 0;
    if (name != 0)
        snprintf(section, LINE_MAX_BYTES, "%.*s", (int)name, line);
    *file = line + name;
    return parse_hex(file, addr) && parse_hex(file, len) && *len != 0;
}

/* Ours were compiled as programs are. */
static bool is_our_library(const char *file)
{
    return strstr(file, "libnanopu.a(") != NULL || strstr(file, "libcaracal.a(") != NULL;
}

/* Only code of library members counts; in a map these are "libc.a(member.o)". */
static int check_line(const struct elf_image *image, char *line, char *section, struct error_text *et)
{
    char *file;
    struct netregs n = {0};
    const uint8_t *code;
    const struct elf_symbol *in;
    uint64_t addr, len;

    if (!parse_line(line, section, &addr, &len, &file) || strncmp(section, ".text", 5) != 0 ||
        strstr(file, ".a(") == NULL || is_our_library(file))
        return 0;
    code = code_at(image, addr, len);
    if (code == NULL)
        return 0;
    netregs_scan(&n, code, len, addr);
    if (!netregs_any(&n))
        return 0;
    in = elf_symbol_at(image, n.first);
    return error_set(et, ENOEXEC,
                     "%s: %s uses the network registers x30 and x31 as ordinary ones (at 0x%" PRIx64
                     ", in %s); do without it, or compile a replacement with nanopu cc",
                     image->name, strrchr(file, '/') != NULL ? strrchr(file, '/') + 1 : file, n.first,
                     in != NULL ? in->name : "?");
}

static int check_map(const struct elf_image *image, FILE *map, struct error_text *et)
{
    static char line[LINE_MAX_BYTES], section[LINE_MAX_BYTES];
    int err = 0;

    while (err == 0 && fgets(line, sizeof(line), map) != NULL)
        err = check_line(image, line, section, et);
    return err;
}

int cc_check(const char *program, const char *map, struct error_text *et)
{
    struct elf_image image;
    FILE *f = fopen(map, "re");
    int err;

    if (f == NULL)
        return error_set(et, errno, "%s: %s", map, strerror(errno));
    err = elf_load(&image, program, et);
    if (err == 0) {
        err = check_map(&image, f, et);
        elf_free(&image);
    }
    fclose(f);
    return err;
}
