/* SPDX-License-Identifier: MIT */
/* nanopu dis: a program's code as text. */
#include "nanopu.h"

#include "nanopu/hart/dis.h"
#include "nanopu/sim/elf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SEGMENT_EXECUTABLE 1

/* Prints the names that stand at this address. */
static void print_labels(const struct elf_image *image, uint64_t addr, size_t *next)
{
    while (*next < image->symbol_count && image->symbols[*next].addr < addr)
        ++*next;
    for (; *next < image->symbol_count && image->symbols[*next].addr == addr; ++*next)
        printf("\n%016" PRIx64 " <%s>:\n", addr, image->symbols[*next].name);
}

/* What is in the file of [start, end) of a segment. */
static void print_code(const struct elf_image *image, const struct elf_segment *s, uint64_t start, uint64_t end)
{
    uint64_t at = start > s->addr ? start : s->addr, last = s->addr + s->file_bytes;
    size_t label = 0;

    last = end < last ? end : last;
    while (at + 2 <= last) {
        const uint8_t *b = image->bytes + s->offset + (at - s->addr);
        uint32_t raw = b[0] | (uint32_t)b[1] << 8;
        char text[DIS_TEXT_MAX];
        unsigned len;

        if ((raw & 3) == 3 && at + 4 <= last)
            raw |= (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
        print_labels(image, at, &label);
        len = dis_insn(text, sizeof(text), at, raw);
        printf(len == 2 ? "%10" PRIx64 ":      %04x  %s\n" : "%10" PRIx64 ":  %08x  %s\n", at, raw, text);
        at += len;
    }
}

static void print_range(const struct elf_image *image, uint64_t start, uint64_t end)
{
    for (unsigned i = 0; i < image->segment_count; i++) {
        if ((image->segments[i].flags & SEGMENT_EXECUTABLE) != 0)
            print_code(image, &image->segments[i], start, end);
    }
}

/* A function's end: its size says it, or the next symbol. */
static uint64_t symbol_end(const struct elf_image *image, const struct elf_symbol *s)
{
    if (s->bytes != 0)
        return s->addr + s->bytes;
    for (size_t i = 0; i < image->symbol_count; i++) {
        if (image->symbols[i].addr > s->addr)
            return image->symbols[i].addr;
    }
    return image->end;
}

int cmd_dis(int argc, char **argv)
{
    const struct elf_symbol *s = NULL;
    struct elf_image image;
    struct error_text et;

    if (argc < 2 || argv[1][0] == '-')
        return usage_error("dis", "no program");
    if (argc > 3)
        return usage_error("dis", "unexpected argument \"%s\"", argv[3]);
    if (elf_load(&image, argv[1], &et) != 0)
        return fail("%s", et.text);
    if (argc == 3) {
        s = elf_symbol_named(&image, argv[2]);
        if (s == NULL) {
            elf_free(&image);
            return fail("%s: there is no function \"%s\" in it", argv[1], argv[2]);
        }
    }
    print_range(&image, s != NULL ? s->addr : 0, s != NULL ? symbol_end(&image, s) : image.end);
    elf_free(&image);
    return NANOPU_OK;
}
