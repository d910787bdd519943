/* SPDX-License-Identifier: MIT */
/*
 * The decoder, the encoder and the disassembler on any bits. What decodes has a text, and encodes to bits that decode
 * to the same; what does not decode is shown as data. Nothing is written behind the room that is given.
 */
#include "nanopu/hart/dis.h"
#include "nanopu/hart/insn.h"

#include "fuzz.h"

static void require_same(const struct insn *a, const struct insn *b)
{
    require(a->id == b->id && a->form == b->form && a->len == b->len);
    require(a->rd == b->rd && a->rs1 == b->rs1 && a->rs2 == b->rs2 && a->rs3 == b->rs3);
    require(a->rm == b->rm && a->aqrl == b->aqrl && a->imm == b->imm);
}

static void require_text(uint64_t pc, uint32_t raw, bool decodes)
{
    char text[DIS_TEXT_MAX], *cut = malloc(8);

    require(cut != NULL);
    require(dis_insn(text, sizeof(text), pc, raw) == insn_len(raw));
    require(strlen(text) > 0 && strlen(text) < sizeof(text) - 1);
    require((text[0] != '.') == decodes);
    require(dis_insn(cut, 8, pc, raw) == insn_len(raw));
    require(strlen(cut) < 8 && strncmp(cut, text, strlen(cut)) == 0);
    free(cut);
}

static void one(uint64_t pc, uint32_t raw)
{
    struct insn in, again;
    bool decodes = insn_decode(raw, &in) == 0;
    uint32_t made;

    require_text(pc, raw, decodes);
    if (decodes) {
        require(in.len == insn_len(raw));
        require(insn_encode(&in, &made) == 0);
        require(insn_decode(made, &again) == 0);
        require_same(&in, &again);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 4 <= size && i < 256; i += 4) {
        uint32_t raw;

        memcpy(&raw, data + i, sizeof(raw));
        one(UINT64_C(0x80000000) + i, raw);
    }
    return 0;
}
