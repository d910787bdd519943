/* SPDX-License-Identifier: MIT */
/*
 * ELF files of any bytes. What is accepted lies within the file, has its symbols in order, and goes into memory or is
 * refused there with a text.
 */
#include "fuzz.h"

#include "nanopu/sim/elf.h"

#include <errno.h>

#define MEMORY_BYTES (1 << 20)

static void check(const struct elf_image *image, size_t size)
{
    require(image->segment_count > 0 && image->segment_count <= ELF_SEGMENTS_MAX);
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct elf_segment *s = &image->segments[i];

        require(s->offset <= size && s->file_bytes <= size - s->offset);
        require(s->file_bytes <= s->memory_bytes && s->addr + s->memory_bytes <= image->end);
    }
    for (size_t i = 0; i < image->symbol_count; i++) {
        require(image->symbols[i].name[0] != '\0');
        require(i == 0 || image->symbols[i - 1].addr <= image->symbols[i].addr);
    }
    require(image->tohost % 8 == 0 && image->fromhost % 8 == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error_text et = {""};
    struct elf_image image;
    struct memory memory;
    int ret = elf_parse(&image, "name", data, size, &et);

    if (ret != 0) {
        require(ret == -ENOEXEC && strncmp(et.text, "name: ", 6) == 0);
        return 0;
    }
    check(&image, size);
    require(memory_init(&memory, MEMORY_BYTES) == 0);
    ret = elf_place(&image, &memory, &et);
    require(ret == 0 || (ret == -ENOEXEC && strncmp(et.text, "name: ", 6) == 0));
    elf_symbol_at(&image, image.entry);
    memory_fini(&memory);
    elf_free(&image);
    return 0;
}
