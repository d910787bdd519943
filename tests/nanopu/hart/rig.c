/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include "nanopu/hart/l2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

void rig_init(struct rig *rig, bool timing, bool nic)
{
    struct hart_config config = {.params = &rig->params, .memory = &rig->memory};

    memset(rig, 0, sizeof(*rig));
    assert_int_equal(params_profile(&rig->params, "osdi21"), 0);
    rig->params.timing = timing;
    assert_int_equal(memory_init(&rig->memory, RIG_MEMORY), 0);
    if (timing) {
        rig->l2 = l2_new(&rig->params, 1);
        assert_non_null(rig->l2);
    }
    if (nic) {
        rig->hts = hts_new(&rig->params, 0);
        assert_non_null(rig->hts);
    }
    config.l2 = rig->l2;
    config.hts = rig->hts;
    rig->hart = hart_new(&config);
    assert_non_null(rig->hart);
    rig_reset(rig);
}

void rig_fini(struct rig *rig)
{
    hart_free(rig->hart);
    if (rig->hts != NULL)
        hts_free(rig->hts);
    if (rig->l2 != NULL)
        l2_free(rig->l2);
    memory_fini(&rig->memory);
}

void rig_reset(struct rig *rig)
{
    hart_reset(rig->hart, RIG_CODE, 0, 0);
    rig->end = RIG_CODE;
}

void rig_put_raw(struct rig *rig, uint32_t raw)
{
    uint8_t *at = memory_dram(&rig->memory, rig->end, 4);

    assert_non_null(at);
    memcpy(at, &raw, insn_len(raw));
    rig->end += insn_len(raw);
}

static void put(struct rig *rig, struct insn *in)
{
    uint32_t raw;

    in->form = in->id;
    assert_int_equal(insn_encode(in, &raw), 0);
    rig_put_raw(rig, raw);
}

void rig_put(struct rig *rig, enum insn_id id, unsigned rd, unsigned rs1, unsigned rs2, int64_t imm)
{
    struct insn in = {.id = id, .rd = (uint8_t)rd, .rs1 = (uint8_t)rs1, .rs2 = (uint8_t)rs2, .imm = imm};

    put(rig, &in);
}

void rig_put4(struct rig *rig, enum insn_id id, unsigned rd, unsigned rs1, unsigned rs2, unsigned rs3, unsigned rm)
{
    struct insn in = {
        .id = id, .rd = (uint8_t)rd, .rs1 = (uint8_t)rs1, .rs2 = (uint8_t)rs2, .rs3 = (uint8_t)rs3, .rm = (uint8_t)rm};

    put(rig, &in);
}

void rig_step(struct rig *rig, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t pc = hart_pc(rig->hart), instret = hart_instret(rig->hart);

        /* with timing the first cycle may only say when the instruction commits */
        do
            hart_run(rig->hart, hart_cycle(rig->hart) + 1);
        while (hart_pc(rig->hart) == pc && hart_instret(rig->hart) == instret && hart_state(rig->hart) == HART_RUNNING);
    }
}

uint64_t rig_csr(const struct rig *rig, unsigned csr)
{
    uint64_t value = 0;

    assert_int_equal(hart_csr_get(rig->hart, csr, &value), 0);
    return value;
}

void rig_set_csr(struct rig *rig, unsigned csr, uint64_t value)
{
    assert_int_equal(hart_csr_set(rig->hart, csr, value), 0);
}

uint64_t rig_load(const struct rig *rig, uint64_t addr)
{
    uint64_t value;

    memcpy(&value, memory_dram(&rig->memory, addr, sizeof(value)), sizeof(value));
    return value;
}

void rig_store(struct rig *rig, uint64_t addr, uint64_t value)
{
    memcpy(memory_dram(&rig->memory, addr, sizeof(value)), &value, sizeof(value));
}

int rig_setup(void **state)
{
    static struct rig rig;
    const struct rig_kind *kind = *state;

    rig_init(&rig, kind->timing, kind->nic);
    *state = &rig;
    return 0;
}

int rig_teardown(void **state)
{
    rig_fini(*state);
    return 0;
}
