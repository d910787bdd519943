/* SPDX-License-Identifier: MIT */
/*
 * A guest program: an ELF file for RV64, little endian, statically linked. What is loaded is what its program headers
 * say, at their physical addresses; of its symbols tohost, fromhost and the functions' names are used.
 */
#ifndef NANOPU_SIM_ELF_H
#define NANOPU_SIM_ELF_H

#include "core/error.h"
#include "nanopu/sim/memory.h"

#define ELF_SEGMENTS_MAX 64
#define ELF_FILE_MAX     (UINT64_C(1) << 30) /* bytes */

struct elf_segment {
    uint64_t addr, file_bytes, memory_bytes; /* file_bytes <= memory_bytes; the rest is zero */
    uint64_t offset;                         /* in the file */
    uint32_t flags;                          /* PF_R 4, PF_W 2, PF_X 1 */
};

struct elf_symbol {
    uint64_t addr, bytes;
    const char *name;
};

/* Read only once it is there: hosts and threads may share it. */
struct elf_image {
    char *name; /* path of the file */
    uint8_t *bytes;
    size_t len;
    uint64_t entry;
    uint64_t tohost, fromhost; /* addresses; 0: the program has none */
    uint64_t end;              /* first address after all segments */
    struct elf_segment segments[ELF_SEGMENTS_MAX];
    unsigned segment_count;
    struct elf_symbol *symbols; /* functions and data with an address, in the order of addresses */
    size_t symbol_count;
    char *strings; /* their names */
};

/*
 * Reads the file. 0, or a negative errno (-ENOEXEC: not a program for this machine) and a text that names the file and
 * what is wrong with it; the image then needs no elf_free.
 */
int elf_load(struct elf_image *image, const char *path, struct error_text *et);

/* The same for len bytes in memory; they are copied. */
int elf_parse(struct elf_image *image, const char *name, const void *bytes, size_t len, struct error_text *et);

void elf_free(struct elf_image *image);

/* Copies the segments into DRAM. -ENOEXEC when one lies outside of it. */
int elf_place(const struct elf_image *image, struct memory *m, struct error_text *et);

/* The symbol in which addr lies, or NULL. */
const struct elf_symbol *elf_symbol_at(const struct elf_image *image, uint64_t addr);

/* The symbol of this name, or NULL. */
const struct elf_symbol *elf_symbol_named(const struct elf_image *image, const char *name);

#endif /* NANOPU_SIM_ELF_H */
