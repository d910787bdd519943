/* SPDX-License-Identifier: MIT */
#include "elf_make.h"

#include "nanopu/sim/elf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const uint32_t program[] = {RV_LA_TOHOST, RV_LI(6, 1), RV_SD(6, 5), RV_SPIN};

static void elf_parse__finds_segments_and_symbols(void **state)
{
    struct elf_image image;
    struct error_text et;
    struct made_elf m;

    (void)state;
    elf_make(&m, program, ARRAY_LEN(program));
    assert_int_equal(elf_parse(&image, "p.elf", &m, sizeof(m), &et), 0);
    assert_int_equal(image.entry, MADE_BASE);
    assert_int_equal(image.segment_count, 1);
    assert_int_equal(image.segments[0].memory_bytes, MADE_MEMORY);
    assert_int_equal(image.end, MADE_BASE + MADE_MEMORY);
    assert_int_equal(image.tohost, MADE_TOHOST);
    assert_int_equal(image.fromhost, MADE_FROMHOST);
    assert_string_equal(elf_symbol_at(&image, MADE_BASE + 15)->name, "_start");
    assert_string_equal(elf_symbol_at(&image, MADE_BASE + 16)->name, "later");
    assert_null(elf_symbol_at(&image, MADE_BASE - 1));
    assert_null(elf_symbol_at(&image, MADE_BASE + MADE_MEMORY));
    assert_int_equal(elf_symbol_named(&image, "later")->addr, MADE_BASE + 16);
    assert_null(elf_symbol_named(&image, "late"));
    elf_free(&image);
}

static void elf_place__copies_what_the_file_has(void **state)
{
    struct elf_image image;
    struct error_text et;
    struct made_elf m;
    struct memory memory;

    (void)state;
    elf_make(&m, program, ARRAY_LEN(program));
    assert_int_equal(elf_parse(&image, "p.elf", &m, sizeof(m), &et), 0);
    assert_int_equal(memory_init(&memory, 1 << 20), 0);
    assert_int_equal(elf_place(&image, &memory, &et), 0);
    assert_memory_equal(memory_dram(&memory, MADE_BASE, sizeof(program)), program, sizeof(program));
    memory_fini(&memory);
    assert_int_equal(memory_init(&memory, 8192), 0);
    assert_int_equal(elf_place(&image, &memory, &et), -ENOEXEC);
    assert_non_null(strstr(et.text, "p.elf: the segment of 16384 bytes at 0x80000000 is outside of the memory"));
    memory_fini(&memory);
    elf_free(&image);
}

static void refused(const struct made_elf *m, size_t len, const char *why)
{
    struct elf_image image;
    struct error_text et = {""};

    assert_int_equal(elf_parse(&image, "p.elf", m, len, &et), -ENOEXEC);
    if (strncmp(et.text, "p.elf: ", 7) != 0 || strstr(et.text, why) == NULL)
        fail_msg("\"%s\" is no \"%s\"", et.text, why);
}

#define REFUSED(change, why)                                                                                           \
    do {                                                                                                               \
        elf_make(&m, program, ARRAY_LEN(program));                                                                     \
        change;                                                                                                        \
        refused(&m, sizeof(m), why);                                                                                   \
    } while (0)

static void elf_parse__names_what_is_wrong(void **state)
{
    struct made_elf m;

    (void)state;
    REFUSED(m.header.e_ident[1] = 'e', "not an ELF file");
    REFUSED(m.header.e_ident[EI_CLASS] = ELFCLASS32, "a 32-bit program");
    REFUSED(m.header.e_ident[EI_DATA] = ELFDATA2MSB, "not little endian");
    REFUSED(m.header.e_machine = EM_X86_64, "for machine type 62, not for RISC-V (243)");
    REFUSED(m.header.e_type = ET_REL, "an object file");
    REFUSED(m.header.e_type = ET_DYN, "position independent");
    REFUSED(m.header.e_type = ET_CORE, "not an executable");
    REFUSED(m.header.e_entry = MADE_BASE + 1, "the entry address is odd");
    REFUSED(m.header.e_entry = MADE_BASE - 4, "the entry address is in none of its segments");
    REFUSED(m.header.e_phnum = 0, "nothing to load");
    REFUSED(m.segment.p_type = PT_NOTE, "nothing to load");
    REFUSED(m.segment.p_type = PT_INTERP, "dynamically linked");
    REFUSED(m.segment.p_filesz = MADE_MEMORY + 1, "truncated");
    REFUSED(m.segment.p_offset = UINT64_MAX - 4, "truncated");
    REFUSED((m.segment.p_filesz = 8, m.segment.p_memsz = 4), "impossible size");
    REFUSED((m.segment.p_paddr = UINT64_MAX - 8, m.header.e_entry = 0), "impossible size");
    REFUSED(m.symbols[1].st_value = MADE_TOHOST + 4, "tohost or fromhost is not aligned");
}

static void elf_parse__short_files(void **state)
{
    struct made_elf m;

    (void)state;
    elf_make(&m, program, ARRAY_LEN(program));
    refused(&m, 0, "not an ELF file");
    refused(&m, 15, "not an ELF file");
    refused(&m, 40, "truncated");
    refused(&m, sizeof(Elf64_Ehdr) + 8, "");
    refused(&m, offsetof(struct made_elf, code) + 4, "truncated");
}

static void elf_parse__damaged_symbols_do_not_matter(void **state)
{
    struct elf_image image;
    struct error_text et;
    struct made_elf m;

    (void)state;
    elf_make(&m, program, ARRAY_LEN(program));
    m.symbols[3].st_name = 1000000;
    m.sections[1].sh_link = 77;
    assert_int_equal(elf_parse(&image, "p.elf", &m, sizeof(m), &et), 0);
    assert_int_equal(image.tohost, 0);
    elf_free(&image);
}

static void elf_load__says_what_it_could_not_read(void **state)
{
    char name[] = "elf-XXXXXX";
    struct elf_image image;
    struct error_text et;
    struct made_elf m;
    int fd = mkstemp(name);

    (void)state;
    assert_true(fd >= 0);
    elf_make(&m, program, ARRAY_LEN(program));
    assert_int_equal(write(fd, &m, sizeof(m)), sizeof(m));
    close(fd);
    assert_int_equal(elf_load(&image, name, &et), 0);
    assert_string_equal(image.name, name);
    elf_free(&image);
    unlink(name);
    assert_int_equal(elf_load(&image, name, &et), -ENOENT);
    assert_non_null(strstr(et.text, name));
    assert_int_equal(elf_load(&image, "/", &et), -EISDIR);
    assert_int_equal(elf_load(&image, "/dev/zero", &et), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elf_parse__finds_segments_and_symbols),
        cmocka_unit_test(elf_place__copies_what_the_file_has),
        cmocka_unit_test(elf_parse__names_what_is_wrong),
        cmocka_unit_test(elf_parse__short_files),
        cmocka_unit_test(elf_parse__damaged_symbols_do_not_matter),
        cmocka_unit_test(elf_load__says_what_it_could_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
