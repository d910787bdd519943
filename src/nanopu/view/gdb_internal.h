/* SPDX-License-Identifier: MIT */
/* A debugger's connection, for the files that make it up: packets (gdb_packet.c), their meaning (gdb_command.c), and
 * when to stop (gdb.c). */
#ifndef NANOPU_VIEW_GDB_INTERNAL_H
#define NANOPU_VIEW_GDB_INTERNAL_H

#include "nanopu/sim/machine.h"
#include "nanopu/view/gdb.h"

#define GDB_PACKET_MAX 16384 /* bytes between $ and # */
#define GDB_FILTER     1024  /* bits that say which addresses may have a breakpoint */

enum gdb_resume { GDB_STAY, GDB_GO, GDB_DETACH, GDB_KILL };

/* Register numbers of the target description. */
enum { GDB_PC = 32, GDB_F0 = 33, GDB_CSR0 = 65, GDB_REGS = GDB_CSR0 + 4096 };

struct gdb_thread {
    uint32_t host, hart;
};

struct gdb_node {
    struct probe probe;
    struct gdb *gdb;
};

struct gdb {
    struct machine *machine;
    struct gdb_node *nodes;
    struct gdb_thread *threads; /* number i is thread i + 1 of the debugger */
    unsigned hosts, thread_count;
    int listener, fd; /* fd: -1 when nobody is connected */
    uint16_t port;
    bool killed, acks;

    unsigned stopped;  /* thread that stopped, and that commands are for unless they say otherwise */
    unsigned selected; /* by Hg */
    bool stop_all;     /* any hart's next instruction stops */
    unsigned step;     /* thread + 1 whose next instruction stops; 0: none */
    unsigned skip;     /* thread + 1 whose next announcement does not count: its pc was moved */
    unsigned countdown;

    uint64_t breakpoints[GDB_BREAKPOINTS_MAX];
    unsigned breakpoint_count;
    uint64_t filter[GDB_FILTER / 64];

    char in[GDB_PACKET_MAX + 1], out[GDB_PACKET_MAX + 1];
    size_t in_len, out_len;
    uint8_t raw[4096]; /* received and not looked at */
    size_t raw_at, raw_len;
};

/* Packets. false: the connection is gone. */
bool gdb_receive(struct gdb *g); /* into in */
bool gdb_send(struct gdb *g);    /* out */
void PRINTF_LIKE(2, 3) gdb_say(struct gdb *g, const char *fmt, ...);
void gdb_say_hex(struct gdb *g, const void *bytes, size_t n);
size_t gdb_parse_hex(const char *text, void *bytes, size_t max); /* bytes parsed */
bool gdb_interrupted(struct gdb *g);                             /* the debugger asks for a stop, or is gone */

/* Answers the packet in `in` with out; what is to happen then. */
enum gdb_resume gdb_command(struct gdb *g);
void gdb_say_stop(struct gdb *g);

struct hart *gdb_hart(const struct gdb *g, unsigned thread);
struct host *gdb_host(const struct gdb *g, unsigned thread);

/* The target description, made for the machine's registers; static text of a hart. Returns its bytes. */
size_t gdb_description(const struct hart *h, char *text, size_t size);

#endif /* NANOPU_VIEW_GDB_INTERNAL_H */
