/* SPDX-License-Identifier: MIT */
/*
 * libelf finds the tables; every number in them is checked here before it is used, because files come from anywhere.
 */
#include "elf.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYMBOLS_MAX 1000000

struct reader {
    struct elf_image *image;
    Elf *elf;
    struct error_text *et;
};

static int refuse(const struct reader *r, const char *what)
{
    return error_set(r->et, ENOEXEC, "%s: %s", r->image->name, what);
}

static int check_ident(const struct reader *r)
{
    const uint8_t *b = r->image->bytes;

    if (r->image->len < EI_NIDENT || memcmp(b, ELFMAG, SELFMAG) != 0)
        return refuse(r, "not an ELF file");
    if (b[EI_CLASS] != ELFCLASS64)
        return refuse(r,
                      b[EI_CLASS] == ELFCLASS32 ? "a 32-bit program; the machine runs RV64" : "neither 32 nor 64 bit");
    if (b[EI_DATA] != ELFDATA2LSB)
        return refuse(r, "not little endian");
    if (r->image->len < sizeof(Elf64_Ehdr))
        return refuse(r, "truncated: shorter than an ELF header");
    return 0;
}

static int check_header(const struct reader *r)
{
    GElf_Ehdr header;

    if (r->elf == NULL || gelf_getehdr(r->elf, &header) == NULL)
        return refuse(r, "a damaged ELF header");
    if (header.e_machine != EM_RISCV)
        return error_set(r->et, ENOEXEC, "%s: for machine type %u, not for RISC-V (%u)", r->image->name,
                         header.e_machine, EM_RISCV);
    if (header.e_type == ET_REL)
        return refuse(r, "an object file; it has to be linked first");
    if (header.e_type == ET_DYN)
        return refuse(r, "position independent; link with -static -no-pie");
    if (header.e_type != ET_EXEC)
        return refuse(r, "not an executable");
    if (header.e_entry % 2 != 0)
        return refuse(r, "the entry address is odd");
    r->image->entry = header.e_entry;
    return 0;
}

static int add_segment(const struct reader *r, const GElf_Phdr *ph)
{
    struct elf_image *image = r->image;
    struct elf_segment *s;

    if (image->segment_count == ELF_SEGMENTS_MAX)
        return refuse(r, "too many segments");
    if (ph->p_offset > image->len || ph->p_filesz > image->len - ph->p_offset)
        return error_set(r->et, ENOEXEC, "%s: truncated: the segment at 0x%" PRIx64 " reaches beyond the file's end",
                         image->name, (uint64_t)ph->p_paddr);
    if (ph->p_filesz > ph->p_memsz || ph->p_paddr + ph->p_memsz < ph->p_paddr)
        return error_set(r->et, ENOEXEC, "%s: the segment at 0x%" PRIx64 " has an impossible size", image->name,
                         (uint64_t)ph->p_paddr);
    s = &image->segments[image->segment_count++];
    *s = (struct elf_segment){.addr = ph->p_paddr,
                              .file_bytes = ph->p_filesz,
                              .memory_bytes = ph->p_memsz,
                              .offset = ph->p_offset,
                              .flags = ph->p_flags};
    if (s->addr + s->memory_bytes > image->end)
        image->end = s->addr + s->memory_bytes;
    return 0;
}

static int read_segments(const struct reader *r)
{
    bool entry_found = false;
    size_t count;

    if (elf_getphdrnum(r->elf, &count) != 0)
        return refuse(r, "damaged program headers");
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr ph;
        int ret;

        if (gelf_getphdr(r->elf, (int)i, &ph) == NULL)
            return refuse(r, "truncated: program headers beyond the file's end");
        if (ph.p_type == PT_INTERP)
            return refuse(r, "dynamically linked; link with -static");
        if (ph.p_type != PT_LOAD || ph.p_memsz == 0)
            continue;
        ret = add_segment(r, &ph);
        if (ret != 0)
            return ret;
        entry_found |= r->image->entry - ph.p_paddr < ph.p_memsz;
    }
    if (r->image->segment_count == 0)
        return refuse(r, "nothing to load in it");
    return entry_found ? 0 : refuse(r, "the entry address is in none of its segments");
}

/* The symbol table's section, or NULL. */
static Elf_Scn *find_symbols(const struct reader *r, GElf_Shdr *sh)
{
    Elf_Scn *section = NULL;

    while ((section = elf_nextscn(r->elf, section)) != NULL) {
        if (gelf_getshdr(section, sh) != NULL && sh->sh_type == SHT_SYMTAB && sh->sh_entsize == sizeof(Elf64_Sym))
            return section;
    }
    return NULL;
}

static int by_address(const void *a, const void *b)
{
    const struct elf_symbol *x = a, *y = b;

    if (x->addr != y->addr)
        return x->addr < y->addr ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Is it a name for an address, and not for a file, a section or the assembler's own use? */
static bool is_place(const GElf_Sym *sym, const char *name)
{
    unsigned type = GELF_ST_TYPE(sym->st_info);

    return name != NULL && name[0] != '\0' && name[0] != '$' && sym->st_shndx != SHN_UNDEF &&
           (type == STT_NOTYPE || type == STT_FUNC || type == STT_OBJECT);
}

/* A file without symbols, or with damaged ones, runs as well; only tohost is missed then. */
static int read_symbols(const struct reader *r)
{
    struct elf_image *image = r->image;
    GElf_Shdr sh;
    Elf_Scn *section = find_symbols(r, &sh);
    Elf_Data *data = section != NULL ? elf_getdata(section, NULL) : NULL;
    size_t count = data != NULL ? data->d_size / sizeof(Elf64_Sym) : 0;

    if (count == 0)
        return 0;
    if (count > SYMBOLS_MAX)
        return refuse(r, "too many symbols");
    image->symbols = calloc(count, sizeof(*image->symbols));
    if (image->symbols == NULL)
        return error_set(r->et, ENOMEM, "%s: out of memory", image->name);
    for (size_t i = 0; i < count; i++) {
        const char *name = NULL;
        GElf_Sym sym;

        if (gelf_getsym(data, (int)i, &sym) != NULL)
            name = elf_strptr(r->elf, sh.sh_link, sym.st_name);
        if (name == NULL || !is_place(&sym, name))
            continue;
        image->symbols[image->symbol_count++] = (struct elf_symbol){sym.st_value, sym.st_size, name};
    }
    return 0;
}

/* Names point into libelf's memory until here; copies them into one block. */
static int keep_names(const struct reader *r)
{
    struct elf_image *image = r->image;
    size_t total = 1;
    char *at;

    for (size_t i = 0; i < image->symbol_count; i++)
        total += strlen(image->symbols[i].name) + 1;
    image->strings = malloc(total);
    if (image->strings == NULL)
        return error_set(r->et, ENOMEM, "%s: out of memory", image->name);
    at = image->strings;
    for (size_t i = 0; i < image->symbol_count; i++) {
        size_t size = strlen(image->symbols[i].name) + 1;

        memcpy(at, image->symbols[i].name, size);
        image->symbols[i].name = at;
        at += size;
    }
    if (image->symbol_count > 0)
        qsort(image->symbols, image->symbol_count, sizeof(*image->symbols), by_address);
    return 0;
}

static int find_htif(const struct reader *r)
{
    const struct elf_symbol *tohost = elf_symbol_named(r->image, "tohost");
    const struct elf_symbol *fromhost = elf_symbol_named(r->image, "fromhost");

    r->image->tohost = tohost != NULL ? tohost->addr : 0;
    r->image->fromhost = fromhost != NULL ? fromhost->addr : 0;
    if (r->image->tohost % 8 != 0 || r->image->fromhost % 8 != 0)
        return refuse(r, "tohost or fromhost is not aligned to 8 bytes");
    return 0;
}

static int parse(struct reader *r)
{
    int ret = check_ident(r);

    if (ret != 0)
        return ret;
    elf_version(EV_CURRENT);
    r->elf = elf_memory((char *)r->image->bytes, r->image->len);
    ret = check_header(r);
    if (ret == 0)
        ret = read_segments(r);
    if (ret == 0)
        ret = read_symbols(r);
    if (ret == 0)
        ret = keep_names(r);
    if (ret == 0)
        ret = find_htif(r);
    elf_end(r->elf);
    return ret;
}

/* Takes bytes. */
static int parse_owned(struct elf_image *image, const char *name, uint8_t *bytes, size_t len, struct error_text *et)
{
    struct reader r = {.image = image, .et = et};
    int ret;

    *image = (struct elf_image){.name = strdup(name), .bytes = bytes, .len = len};
    ret = image->name != NULL ? parse(&r) : error_set(et, ENOMEM, "%s: out of memory", name);
    if (ret != 0)
        elf_free(image);
    return ret;
}

int elf_parse(struct elf_image *image, const char *name, const void *bytes, size_t len, struct error_text *et)
{
    uint8_t *copy = malloc(len + 1);

    if (copy == NULL)
        return error_set(et, ENOMEM, "%s: out of memory", name);
    if (len > 0)
        memcpy(copy, bytes, len);
    return parse_owned(image, name, copy, len, et);
}

/* The file's bytes from the heap; NULL and a text. */
static uint8_t *read_file(int fd, const char *path, size_t *len, struct error_text *et, int *err)
{
    struct stat st;
    uint8_t *bytes;
    size_t got = 0;
    ssize_t n = 0;

    *err = fstat(fd, &st) != 0                ? error_set(et, errno, "%s: %s", path, strerror(errno))
           : S_ISDIR(st.st_mode)              ? error_set(et, EISDIR, "%s: %s", path, strerror(EISDIR))
           : !S_ISREG(st.st_mode)             ? error_set(et, EINVAL, "%s: not a regular file", path)
           : st.st_size > (off_t)ELF_FILE_MAX ? error_set(et, EFBIG, "%s: %s", path, strerror(EFBIG))
                                              : 0;
    if (*err != 0)
        return NULL;
    bytes = malloc((size_t)st.st_size + 1);
    if (bytes == NULL) {
        *err = error_set(et, ENOMEM, "%s: out of memory", path);
        return NULL;
    }
    while (got < (size_t)st.st_size && (n = read(fd, bytes + got, (size_t)st.st_size - got)) != 0) {
        if (n < 0 && errno != EINTR) {
            *err = error_set(et, errno, "%s: %s", path, strerror(errno));
            free(bytes);
            return NULL;
        }
        got += n > 0 ? (size_t)n : 0;
    }
    *len = got;
    return bytes;
}

int elf_load(struct elf_image *image, const char *path, struct error_text *et)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err; /* O_NONBLOCK: a FIFO waits for nobody */
    uint8_t *bytes;
    size_t len = 0;

    if (fd < 0)
        return error_set(et, errno, "%s: %s", path, strerror(errno));
    bytes = read_file(fd, path, &len, et, &err);
    close(fd);
    if (bytes == NULL)
        return err;
    return parse_owned(image, path, bytes, len, et);
}

void elf_free(struct elf_image *image)
{
    free(image->name);
    free(image->bytes);
    free(image->symbols);
    free(image->strings);
    *image = (struct elf_image){0};
}

int elf_place(const struct elf_image *image, struct memory *m, struct error_text *et)
{
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct elf_segment *s = &image->segments[i];
        uint8_t *to = memory_dram(m, s->addr, s->memory_bytes);

        if (to == NULL)
            return error_set(et, ENOEXEC,
                             "%s: the segment of %" PRIu64 " bytes at 0x%" PRIx64 " is outside of the memory, %" PRIu64
                             " MiB at 0x%" PRIx64,
                             image->name, s->memory_bytes, s->addr, m->size_bytes >> 20, MEMORY_BASE);
        memcpy(to, image->bytes + s->offset, s->file_bytes);
    }
    return 0;
}

const struct elf_symbol *elf_symbol_at(const struct elf_image *image, uint64_t addr)
{
    size_t low = 0, high = image->symbol_count;

    /* The last symbol at or before addr. */
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (image->symbols[middle].addr <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || addr >= image->end)
        return NULL;
    return &image->symbols[low - 1];
}

const struct elf_symbol *elf_symbol_named(const struct elf_image *image, const char *name)
{
    for (size_t i = 0; i < image->symbol_count; i++) {
        if (strcmp(image->symbols[i].name, name) == 0)
            return &image->symbols[i];
    }
    return NULL;
}
