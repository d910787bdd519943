/* SPDX-License-Identifier: MIT */
/* What the debugger's packets mean. An answer that stays empty says "not supported". */
#include "gdb_internal.h"

#include "nanopu/hart/dis.h"
#include "nanopu/hart/insn.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GDB_ERROR "E01"

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Registers */

static bool reg_get(const struct hart *h, uint64_t reg, uint64_t *value)
{
    if (reg < GDB_PC)
        *value = hart_x(h, (unsigned)reg);
    else if (reg == GDB_PC)
        *value = hart_pc(h);
    else if (reg < GDB_CSR0)
        *value = hart_f(h, (unsigned)reg - GDB_F0);
    else
        return reg < GDB_REGS && hart_csr_get(h, (unsigned)reg - GDB_CSR0, value) == 0;
    return true;
}

static bool reg_set(struct gdb *g, uint64_t reg, uint64_t value)
{
    struct hart *h = gdb_hart(g, g->selected);

    if (reg < GDB_PC) {
        if (reg != 0)
            hart_set_x(h, (unsigned)reg, value);
    } else if (reg == GDB_PC) {
        if (g->selected == g->stopped)
            g->skip = g->stopped + 1; /* its instruction will be announced anew */
        hart_set_pc(h, value);
    } else if (reg < GDB_CSR0) {
        hart_set_f(h, (unsigned)reg - GDB_F0, value);
    } else {
        return reg < GDB_REGS && hart_csr_set(h, (unsigned)reg - GDB_CSR0, value) == 0;
    }
    return true;
}

static void say_registers(struct gdb *g)
{
    uint64_t value = 0;

    for (unsigned reg = 0; reg <= GDB_PC; reg++) {
        reg_get(gdb_hart(g, g->selected), reg, &value);
        gdb_say_hex(g, &value, sizeof value);
    }
}

static void set_registers(struct gdb *g, const char *hex)
{
    uint64_t value;

    for (unsigned reg = 0; reg <= GDB_PC && gdb_parse_hex(hex, &value, sizeof value) == sizeof value; reg++) {
        reg_set(g, reg, value);
        hex += 2 * sizeof value;
    }
    gdb_say(g, "OK");
}

static void say_register(struct gdb *g, const char *args)
{
    uint64_t value;

    if (reg_get(gdb_hart(g, g->selected), strtoull(args, NULL, 16), &value))
        gdb_say_hex(g, &value, sizeof value);
    else
        gdb_say(g, GDB_ERROR);
}

static void set_register(struct gdb *g, char *args)
{
    uint64_t reg = strtoull(args, &args, 16), value;

    if (*args == '=' && gdb_parse_hex(args + 1, &value, sizeof value) == sizeof value && reg_set(g, reg, value))
        gdb_say(g, "OK");
    else
        gdb_say(g, GDB_ERROR);
}

size_t gdb_description(const struct hart *h, char *text, size_t size)
{
    size_t n = 0;
    uint64_t value;

#define ADD(...) (n += n < size ? (size_t)snprintf(text + n, size - n, __VA_ARGS__) : 0)
    ADD("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
        "<architecture>riscv:rv64</architecture><feature name=\"org.gnu.gdb.riscv.cpu\">");
    for (unsigned i = 0; i < GDB_PC; i++)
        ADD("<reg name=\"%s\" bitsize=\"64\" regnum=\"%u\" type=\"int\"/>", reg_name(i), i);
    ADD("<reg name=\"pc\" bitsize=\"64\" regnum=\"%d\" type=\"code_ptr\"/></feature>", GDB_PC);
    ADD("<feature name=\"org.gnu.gdb.riscv.fpu\">");
    for (unsigned i = 0; i < 32; i++)
        ADD("<reg name=\"%s\" bitsize=\"64\" regnum=\"%u\" type=\"ieee_double\"/>", reg_name(REG_F + i), GDB_F0 + i);
    for (unsigned i = 1; i <= 3; i++)
        ADD("<reg name=\"%s\" bitsize=\"64\" regnum=\"%u\" type=\"int\"/>", csr_name(i), GDB_CSR0 + i);
    ADD("</feature><feature name=\"org.gnu.gdb.riscv.csr\">");
    for (unsigned i = 4; i < GDB_REGS - GDB_CSR0; i++)
        if (csr_name(i) != NULL && hart_csr_get(h, i, &value) == 0)
            ADD("<reg name=\"%s\" bitsize=\"64\" regnum=\"%u\" type=\"int\"/>", csr_name(i), GDB_CSR0 + i);
    ADD("</feature></target>");
#undef ADD
    return n < size ? n : size - 1;
}

/* args: offset,length */
static void say_description(struct gdb *g, char *args)
{
    static const size_t size = 32768;
    char *text = malloc(size);
    size_t len = text != NULL ? gdb_description(gdb_hart(g, g->selected), text, size) : 0;
    size_t offset = strtoull(args, &args, 16), n = *args == ',' ? strtoull(args + 1, NULL, 16) : 0;

    if (n > GDB_PACKET_MAX / 2)
        n = GDB_PACKET_MAX / 2;
    if (offset >= len)
        gdb_say(g, "l");
    else
        gdb_say(g, "%c%.*s", len - offset > n ? 'm' : 'l', (int)(len - offset > n ? n : len - offset), text + offset);
    free(text);
}

/* Memory: DRAM alone, because reading a device can change it. */

static void say_memory(struct gdb *g, char *args)
{
    uint64_t addr = strtoull(args, &args, 16), len = *args == ',' ? strtoull(args + 1, NULL, 16) : 0;
    const uint8_t *bytes = memory_dram(host_memory(gdb_host(g, g->selected)), addr, len);

    if (bytes == NULL || len > GDB_PACKET_MAX / 2)
        gdb_say(g, GDB_ERROR);
    else
        gdb_say_hex(g, bytes, len);
}

static void set_memory(struct gdb *g, char *args)
{
    uint64_t addr = strtoull(args, &args, 16), len = *args == ',' ? strtoull(args + 1, &args, 16) : 0;
    struct host *host = gdb_host(g, g->selected);
    uint8_t *bytes = memory_dram(host_memory(host), addr, len);

    if (bytes == NULL || *args != ':' || strlen(args + 1) < 2 * len) {
        gdb_say(g, GDB_ERROR);
        return;
    }
    gdb_parse_hex(args + 1, bytes, len);
    for (unsigned i = 0; i < host_cores(host); i++)
        hart_code_changed(host_hart(host, i));
    if (host == gdb_host(g, g->stopped))
        g->skip = g->stopped + 1;
    gdb_say(g, "OK");
}

/* Breakpoints */

static void filter_breakpoints(struct gdb *g)
{
    memset(g->filter, 0, sizeof g->filter);
    for (unsigned i = 0; i < g->breakpoint_count; i++) {
        uint64_t bit = g->breakpoints[i] / 2 % GDB_FILTER;

        g->filter[bit / 64] |= UINT64_C(1) << bit % 64;
    }
}

/* args: kind,address,size */
static void breakpoint(struct gdb *g, char *args, bool insert)
{
    uint64_t addr = args[0] != '\0' && args[1] == ',' ? strtoull(args + 2, NULL, 16) : 0;
    unsigned i = 0;

    if (args[0] != '0' && args[0] != '1')
        return;
    while (i < g->breakpoint_count && g->breakpoints[i] != addr)
        i++;
    if (insert && i == GDB_BREAKPOINTS_MAX) {
        gdb_say(g, GDB_ERROR);
        return;
    }
    if (insert && i == g->breakpoint_count)
        g->breakpoints[g->breakpoint_count++] = addr;
    else if (!insert && i < g->breakpoint_count)
        g->breakpoints[i] = g->breakpoints[--g->breakpoint_count];
    filter_breakpoints(g);
    gdb_say(g, "OK");
}

/* Threads */

static bool thread_of(const struct gdb *g, const char *text, unsigned *thread)
{
    uint64_t id = strtoull(text, NULL, 16);

    *thread = id >= 1 && id <= g->thread_count ? (unsigned)id - 1 : g->stopped;
    return id <= g->thread_count || starts(text, "-1");
}

static void query(struct gdb *g, char *args)
{
    unsigned thread;
    char text[64];

    if (starts(args, "Supported")) {
        gdb_say(g, "PacketSize=%x;qXfer:features:read+;vContSupported+;QStartNoAckMode+;swbreak-;hwbreak-",
                GDB_PACKET_MAX);
    } else if (starts(args, "Xfer:features:read:target.xml:")) {
        say_description(g, args + strlen("Xfer:features:read:target.xml:"));
    } else if (starts(args, "fThreadInfo")) {
        for (unsigned i = 0; i < g->thread_count; i++)
            gdb_say(g, "%c%x", i == 0 ? 'm' : ',', i + 1);
    } else if (starts(args, "sThreadInfo")) {
        gdb_say(g, "l");
    } else if (starts(args, "ThreadExtraInfo,") && thread_of(g, args + strlen("ThreadExtraInfo,"), &thread)) {
        const struct hart *h = gdb_hart(g, thread);
        int n = snprintf(text, sizeof text, "host %u hart %u, cycle %" PRIu64 "%s", g->threads[thread].host,
                         g->threads[thread].hart, hart_cycle(h), hart_state(h) == HART_WFI ? ", asleep" : "");

        gdb_say_hex(g, text, (size_t)n);
    } else if (strcmp(args, "C") == 0) {
        gdb_say(g, "QC%x", g->stopped + 1);
    } else if (starts(args, "Attached")) {
        gdb_say(g, "1");
    }
}

void gdb_say_stop(struct gdb *g)
{
    gdb_say(g, "T05thread:%x;", g->stopped + 1);
}

/* vCont;ACTION[:THREAD]...: all go on, and one of them may be for a single step. */
static enum gdb_resume resume(struct gdb *g, const char *args)
{
    g->step = 0;
    for (; *args == ';'; args += strcspn(args + 1, ";") + 1) {
        const char *colon = strchr(args, ':'), *end = args + 1 + strcspn(args + 1, ";");
        unsigned thread = g->stopped;

        if (colon != NULL && colon < end)
            thread_of(g, colon + 1, &thread);
        if ((args[1] == 's' || args[1] == 'S') && g->step == 0)
            g->step = thread + 1;
    }
    return GDB_GO;
}

static enum gdb_resume command_v(struct gdb *g, const char *args)
{
    if (strcmp(args, "Cont?") == 0)
        gdb_say(g, "vCont;c;C;s;S");
    else if (starts(args, "Cont;"))
        return resume(g, args + strlen("Cont"));
    else if (starts(args, "Kill")) {
        gdb_say(g, "OK");
        return GDB_KILL;
    }
    return GDB_STAY;
}

static void select_thread(struct gdb *g, const char *args)
{
    unsigned thread;

    if (!thread_of(g, args + (args[0] != '\0'), &thread)) {
        gdb_say(g, GDB_ERROR);
        return;
    }
    if (args[0] == 'g')
        g->selected = thread;
    gdb_say(g, "OK");
}

enum gdb_resume gdb_command(struct gdb *g)
{
    char *args = g->in + 1;
    unsigned thread;

    g->out_len = 0;
    switch (g->in[0]) {
    case '?':
        gdb_say_stop(g);
        break;
    case 'g':
        say_registers(g);
        break;
    case 'G':
        set_registers(g, args);
        break;
    case 'p':
        say_register(g, args);
        break;
    case 'P':
        set_register(g, args);
        break;
    case 'm':
        say_memory(g, args);
        break;
    case 'M':
        set_memory(g, args);
        break;
    case 'Z':
    case 'z':
        breakpoint(g, args, g->in[0] == 'Z');
        break;
    case 'H':
        select_thread(g, args);
        break;
    case 'T':
        gdb_say(g, "%s", thread_of(g, args, &thread) ? "OK" : GDB_ERROR);
        break;
    case 'q':
        query(g, args);
        break;
    case 'Q':
        if (strcmp(args, "StartNoAckMode") == 0)
            gdb_say(g, "OK");
        break;
    case 'v':
        return command_v(g, args);
    case 'c':
        return resume(g, "");
    case 's':
        return resume(g, ";s");
    case 'D':
        gdb_say(g, "OK");
        return GDB_DETACH;
    case 'k':
        return GDB_KILL;
    default:
        break;
    }
    return GDB_STAY;
}
