/* SPDX-License-Identifier: MIT */
#include "nanopu/hart/code.h"

#include "nanopu/hart/hart_internal.h"

#include <stdlib.h>
#include <string.h>

static void page_clear(struct code_page *page)
{
    for (unsigned i = 0; i < CODE_SLOTS + 2; i++) {
        page->uops[i] = (struct uop){
            .code = i < CODE_SLOTS ? UOP_DECODE : UOP_PAGE, .index = (uint16_t)i, .op = {.rd = REG_NONE, .len = 2}};
    }
}

void code_free(struct hart *h)
{
    for (unsigned i = 0; i < CODE_BUCKETS; i++) {
        while (h->code.bucket[i] != NULL) {
            struct code_page *page = h->code.bucket[i];

            h->code.bucket[i] = page->next;
            free(page);
        }
    }
    h->code.pages = 0;
}

void code_flush(struct hart *h)
{
    h->code.flushes++;
    for (unsigned i = 0; i < CODE_BUCKETS; i++) {
        for (struct code_page *page = h->code.bucket[i]; page != NULL; page = page->next) {
            page_clear(page);
        }
    }
}

struct code_page *code_page(struct hart *h, uint64_t pc)
{
    struct code_page **bucket = &h->code.bucket[code_bucket(pc)];
    uint64_t base = code_base(pc);

    for (struct code_page **p = bucket; *p != NULL; p = &(*p)->next) {
        if ((*p)->base == base) {
            struct code_page *page = *p; /* to the front: the core looks there alone */

            *p = page->next;
            page->next = *bucket;
            *bucket = page;
            return page;
        }
    }
    if (memory_dram(h->memory, pc & ~UINT64_C(1), 2) == NULL) {
        return NULL;
    }
    if (h->code.pages == CODE_PAGES_MAX) {
        h->code.flushes++;
        code_free(h);
    }
    struct code_page *page = malloc(sizeof(*page));

    if (page == NULL) {
        hart_fail(h, "there is no memory for predecoded code");
        return NULL;
    }
    page->base = base;
    page_clear(page);
    page->next = *bucket;
    *bucket = page;
    h->code.pages++;
    return page;
}

/* The bits of MUL and DIV that their time depends on. */
static uint8_t muldiv_flags(enum insn_id id)
{
    unsigned funct3 = insn_info[id].match >> 12 & 7;
    uint8_t word = (insn_info[id].match & 0x7f) == 0x3b ? PIPE_W : 0;

    if (insn_info[id].class == PIPE_MUL) {
        return funct3 != 0 ? PIPE_HIGH : word;
    }
    return (uint8_t)(word | ((funct3 & 1) == 0 ? PIPE_SIGNED : 0) | ((funct3 & 2) != 0 ? PIPE_REM : 0));
}

static uint8_t source(uint8_t reg)
{
    return reg == REG_NONE ? 0 : reg;
}

static void uop_fill(const struct hart *h, struct uop *u, const struct insn *in)
{
    uint8_t class = insn_info[in->id].class;

    u->code = (uint16_t)in->id;
    u->step = (uint16_t)(in->len / 2 * sizeof(*u));
    u->imm = strpbrk(insn_info[in->id].operands, "me") != NULL ? in->rm : in->imm;
    u->op = (struct pipe_op){
        .rd = in->rd == 0 ? REG_NONE : in->rd,
        .rs1 = source(in->rs1),
        .rs2 = source(in->rs2),
        .rs3 = source(in->rs3),
        .class = class,
        .len = in->len,
        .flags = class == PIPE_MUL || class == PIPE_DIV ? muldiv_flags(in->id) : 0,
    };
    pipe_op_finish(&u->op);
    if (h->hts != NULL && (u->op.rs1 == REG_RX || u->op.rs2 == REG_RX || u->op.rd == REG_TX)) {
        u->code = (uint16_t)(u->code + UOP_NET);
    }
}

bool hart_fetch(const struct hart *h, uint64_t pc, uint32_t *raw)
{
    const uint8_t *low = memory_dram(h->memory, pc, 2), *high = memory_dram(h->memory, pc + 2, 2);
    uint16_t half[2] = {0, 0};

    if (low == NULL) {
        return false;
    }
    memcpy(&half[0], low, sizeof(half[0]));
    if (insn_len(half[0]) == 4) {
        if (high == NULL) {
            return false;
        }
        memcpy(&half[1], high, sizeof(half[1]));
    }
    *raw = half[0] | (uint32_t)half[1] << 16;
    return true;
}

void code_decode(struct hart *h, struct uop *u, uint64_t pc)
{
    struct insn in;
    uint32_t raw = 0;

    if (hart_fetch(h, pc, &raw) && insn_decode(raw, &in) == 0) {
        uop_fill(h, u, &in);
        return;
    }
    u->code = UOP_ILLEGAL;
    u->op.len = (uint8_t)insn_len(raw);
    u->op.class = PIPE_SYSTEM;
    u->imm = raw;
    pipe_op_finish(&u->op);
}
