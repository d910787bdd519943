/* SPDX-License-Identifier: MIT */
/* An ELF file as a linker would make it, small: one segment of code, tohost and fromhost, symbols. For tests. */
#ifndef ELF_MAKE_H
#define ELF_MAKE_H

#include "core/base.h"

#include <elf.h>
#include <string.h>

#define MADE_BASE     UINT64_C(0x80000000)
#define MADE_TOHOST   (MADE_BASE + 0x1000)
#define MADE_FROMHOST (MADE_BASE + 0x1040)
#define MADE_MEMORY   0x4000
#define MADE_BYTES    4096

/* Instructions, for programs of a line or two. x5 = tohost when it is the first instruction. */
#define RV_LA_TOHOST     UINT32_C(0x00001297)                                           /* auipc x5, 1 */
#define RV_LI(rd, value) ((uint32_t)(value) << 20 | (uint32_t)(rd) << 7 | 0x13)         /* addi rd, x0, value */
#define RV_SD(rs, rd)    ((uint32_t)(rs) << 20 | (uint32_t)(rd) << 15 | 3 << 12 | 0x23) /* sd rs, 0(rd) */
#define RV_SPIN          UINT32_C(0x0000006f)                                           /* j . */
#define RV_WFI           UINT32_C(0x10500073)

struct made_elf {
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    Elf64_Shdr sections[3];
    Elf64_Sym symbols[5];
    char names[40];
    uint32_t code[64];
};
_Static_assert(sizeof(struct made_elf) <= MADE_BYTES, "");

static void elf_make(struct made_elf *m, const uint32_t *code, size_t count)
{
    static const char names[] = "\0tohost\0fromhost\0_start\0later";

    memset(m, 0, sizeof(*m));
    memcpy(m->header.e_ident, ELFMAG, SELFMAG);
    m->header.e_ident[EI_CLASS] = ELFCLASS64;
    m->header.e_ident[EI_DATA] = ELFDATA2LSB;
    m->header.e_ident[EI_VERSION] = EV_CURRENT;
    m->header.e_type = ET_EXEC;
    m->header.e_machine = EM_RISCV;
    m->header.e_version = EV_CURRENT;
    m->header.e_entry = MADE_BASE;
    m->header.e_phoff = offsetof(struct made_elf, segment);
    m->header.e_shoff = offsetof(struct made_elf, sections);
    m->header.e_ehsize = sizeof(Elf64_Ehdr);
    m->header.e_phentsize = sizeof(Elf64_Phdr);
    m->header.e_phnum = 1;
    m->header.e_shentsize = sizeof(Elf64_Shdr);
    m->header.e_shnum = 3;
    m->segment = (Elf64_Phdr){.p_type = PT_LOAD,
                              .p_flags = PF_R | PF_W | PF_X,
                              .p_offset = offsetof(struct made_elf, code),
                              .p_vaddr = MADE_BASE,
                              .p_paddr = MADE_BASE,
                              .p_filesz = sizeof(m->code),
                              .p_memsz = MADE_MEMORY};
    m->sections[1] = (Elf64_Shdr){.sh_type = SHT_SYMTAB,
                                  .sh_offset = offsetof(struct made_elf, symbols),
                                  .sh_size = sizeof(m->symbols),
                                  .sh_link = 2,
                                  .sh_entsize = sizeof(Elf64_Sym)};
    m->sections[2] =
        (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = offsetof(struct made_elf, names), .sh_size = sizeof(m->names)};
    m->symbols[1] = (Elf64_Sym){.st_name = 1, .st_shndx = 1, .st_value = MADE_TOHOST, .st_size = 8};
    m->symbols[2] = (Elf64_Sym){.st_name = 8, .st_shndx = 1, .st_value = MADE_FROMHOST, .st_size = 8};
    m->symbols[3] = (Elf64_Sym){.st_name = 17, .st_shndx = 1, .st_value = MADE_BASE, .st_info = STT_FUNC};
    m->symbols[4] = (Elf64_Sym){.st_name = 24, .st_shndx = 1, .st_value = MADE_BASE + 16, .st_info = STT_FUNC};
    memcpy(m->names, names, sizeof(names));
    memcpy(m->code, code, count * sizeof(*code));
}

#endif /* ELF_MAKE_H */
