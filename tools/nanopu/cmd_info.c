/* SPDX-License-Identifier: MIT */
/* nanopu info: what a guest program is, what it uses of the machine, and if it would run. */
#include "attributes.h"
#include "nanopu.h"

#include "nanopu/hart/insn.h"
#include "nanopu/sim/elf.h"
#include "netregs.h"

#include <gelf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ARCH_MAX    256
#define EXTENSIONS  128 /* by letter */
#define CSR_NUMBERS 4096

/* What a look at the code and the sections has found. */
struct found {
    struct netregs net;
    bool extension[EXTENSIONS];
    bool csr[CSR_NUMBERS];
    uint64_t code_bytes;
    char arch[ARCH_MAX]; /* as the compiler noted it; empty: not noted */
};

static void note_insn(struct found *f, uint32_t raw)
{
    struct insn in;

    if (insn_decode(raw, &in) != 0)
        return;
    f->extension[insn_info[in.id].ext & (EXTENSIONS - 1)] = true;
    if (in.len == 2)
        f->extension['C'] = true;
    if (strchr(insn_info[in.id].operands, 'c') != NULL)
        f->csr[in.imm & (CSR_NUMBERS - 1)] = true;
}

static void look_at_code(struct found *f, const uint8_t *code, uint64_t len, uint64_t addr)
{
    f->code_bytes += len;
    netregs_scan(&f->net, code, len, addr);
    for (uint64_t at = 0; len - at >= 2;) {
        uint32_t raw = 0;

        memcpy(&raw, code + at, len - at >= 4 ? 4 : 2);
        if (insn_len(raw) > len - at)
            break;
        note_insn(f, raw);
        at += insn_len(raw);
    }
}

static void look_at_section(struct found *f, const struct elf_image *image, Elf_Scn *section, size_t names, Elf *elf)
{
    GElf_Shdr header;
    const char *name;

    if (gelf_getshdr(section, &header) == NULL || header.sh_type == SHT_NOBITS || header.sh_offset > image->len ||
        header.sh_size > image->len - header.sh_offset)
        return;
    name = elf_strptr(elf, names, header.sh_name);
    if ((header.sh_flags & SHF_EXECINSTR) != 0)
        look_at_code(f, image->bytes + header.sh_offset, header.sh_size, header.sh_addr);
    else if (name != NULL && strcmp(name, ".riscv.attributes") == 0)
        attributes_arch(image->bytes + header.sh_offset, header.sh_size, f->arch, sizeof(f->arch));
}

/* Code is what sections say; a file without sections has its executable segments looked at. */
static void look(struct found *f, const struct elf_image *image)
{
    Elf *elf;
    Elf_Scn *section = NULL;
    size_t names = 0;

    elf_version(EV_CURRENT);
    elf = elf_memory((char *)image->bytes, image->len);
    if (elf != NULL && elf_getshdrstrndx(elf, &names) == 0) {
        while ((section = elf_nextscn(elf, section)) != NULL)
            look_at_section(f, image, section, names, elf);
    }
    if (elf != NULL)
        elf_end(elf);
    if (f->code_bytes != 0)
        return;
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct elf_segment *s = &image->segments[i];

        if ((s->flags & 1) != 0)
            look_at_code(f, image->bytes + s->offset, s->file_bytes, s->addr);
    }
}

static const char *name_at(const struct elf_image *image, uint64_t addr)
{
    const struct elf_symbol *s = elf_symbol_at(image, addr);

    return s != NULL ? s->name : "?";
}

static void print_layout(const struct elf_image *image)
{
    static const char *const symbols[] = {"tohost", "fromhost", "main", "core_main", "_end"};

    printf("file       %s, %zu bytes\n", image->name, image->len);
    printf("entry      0x%08" PRIx64 "  %s\n", image->entry, name_at(image, image->entry));
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct elf_segment *s = &image->segments[i];

        printf("segment    0x%08" PRIx64 "  %c%c%c  %" PRIu64 " bytes, %" PRIu64 " of them in the file\n", s->addr,
               (s->flags & 4) != 0 ? 'r' : '-', (s->flags & 2) != 0 ? 'w' : '-', (s->flags & 1) != 0 ? 'x' : '-',
               s->memory_bytes, s->file_bytes);
    }
    for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
        const struct elf_symbol *s = elf_symbol_named(image, symbols[i]);

        if (s != NULL && s->addr != 0)
            printf("symbol     0x%08" PRIx64 "  %s\n", s->addr, s->name);
    }
}

static void print_uses(const struct elf_image *image, const struct found *f)
{
    const struct netregs *n = &f->net;

    if (f->arch[0] != '\0')
        printf("compiled   for %s\n", f->arch);
    printf("code       %" PRIu64 " instructions in %" PRIu64 " bytes, of the extensions", n->insns, f->code_bytes);
    for (int c = 0; c < EXTENSIONS; c++) {
        if (f->extension[c])
            printf(" %s", c == 'Z'   ? "Zicsr"
                          : c == 'S' ? "privileged"
                          : c == 'N' ? "byte swaps"
                                     : (char[]){(char)c, 0});
    }
    printf("\n");
    for (unsigned i = 0; i < CSR_NUMBERS; i++) {
        if (f->csr[i])
            printf("CSR        0x%03x       %s\n", i, csr_name(i) != NULL ? csr_name(i) : "unknown: it would trap");
    }
    printf("network    netRX (x30) read by %" PRIu64 " instructions, netTX (x31) written by %" PRIu64, n->rx, n->tx);
    if (netregs_any(n))
        printf(", the first in %s at 0x%" PRIx64, name_at(image, n->first), n->first);
    printf("\n");
}

/* Returns how many reasons there are not to expect that it runs. */
static int print_verdict(const struct elf_image *image, const struct found *f)
{
    const struct elf_symbol *s = elf_symbol_at(image, f->net.first);
    int doubts = 0;

    for (unsigned i = 0; i < image->segment_count; i++) {
        if (image->segments[i].memory_bytes != 0 && image->segments[i].addr < MEMORY_BASE) {
            printf("runs       no: a segment is at 0x%" PRIx64 ", memory begins at 0x%" PRIx64 "\n",
                   image->segments[i].addr, MEMORY_BASE);
            return 1;
        }
    }
    if (image->tohost == 0) {
        printf("doubt      it has no tohost: it cannot print or end, only be stopped\n");
        doubts++;
    }
    if (f->net.wrong != 0) {
        printf("doubt      %" PRIu64
               " instructions write x30 or read x31: code compiled without -ffixed-x30 -ffixed-x31, "
               "about %s\n",
               f->net.wrong, s != NULL ? s->name : "?");
        doubts++;
    }
    if (strstr(f->arch, "_v1") != NULL || strstr(f->arch, "_zb") != NULL || strstr(f->arch, "_zfh") != NULL) {
        printf("doubt      it was compiled for extensions that the machine lacks: RV64IMAFDC is what there is\n");
        doubts++;
    }
    if (doubts == 0)
        printf("runs       yes\n");
    return doubts;
}

int cmd_info(int argc, char **argv)
{
    static struct found found;
    struct elf_image image;
    struct error_text et;
    int doubts;

    if (argc != 2 || argv[1][0] == '-')
        return usage_error("info", argc < 2 ? "no file is given" : "unexpected argument \"%s\"", argv[argc - 1]);
    if (elf_load(&image, argv[1], &et) != 0) {
        printf("runs       no: %s\n", et.text);
        return NANOPU_FAIL;
    }
    look(&found, &image);
    print_layout(&image);
    print_uses(&image, &found);
    doubts = print_verdict(&image, &found);
    elf_free(&image);
    return doubts == 0 ? NANOPU_OK : NANOPU_FAIL;
}
