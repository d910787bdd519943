/* SPDX-License-Identifier: MIT */
/*
 * The program: see xdp_prog.h. It is written in BPF's instructions (RFC 9669), sixty of them, so that building needs no
 * compiler for BPF and running no file beside the module.
 */
#include "xdp_prog.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <unistd.h>

#define CLAIMS_MAX 64
#define QUEUES_MAX 64

/* Registers: 6 keeps the context, 2 and 3 are the frame's begin and end, 5 is what was loaded last. */
#define R_RET   0
#define R_CTX   1
#define R_DATA  2
#define R_END   3
#define R_LIMIT 4
#define R_VALUE 5
#define R_KEEP  6
#define R_STACK 10

#define LOAD(size, dst, src, at)                                                                                       \
    {                                                                                                                  \
        BPF_LDX | BPF_MEM | (size), dst, src, at, 0                                                                    \
    }
#define STORE(size, dst, at, src)                                                                                      \
    {                                                                                                                  \
        BPF_STX | BPF_MEM | (size), dst, src, at, 0                                                                    \
    }
#define SET(size, dst, at, value)                                                                                      \
    {                                                                                                                  \
        BPF_ST | BPF_MEM | (size), dst, 0, at, value                                                                   \
    }
#define MOVE(dst, src)                                                                                                 \
    {                                                                                                                  \
        BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0                                                                    \
    }
#define VALUE(dst, value)                                                                                              \
    {                                                                                                                  \
        BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, value                                                                  \
    }
#define ADD(dst, value)                                                                                                \
    {                                                                                                                  \
        BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, value                                                                  \
    }
#define CALL(function)                                                                                                 \
    {                                                                                                                  \
        BPF_JMP | BPF_CALL, 0, 0, 0, function                                                                          \
    }
#define EXIT                                                                                                           \
    {                                                                                                                  \
        BPF_JMP | BPF_EXIT, 0, 0, 0, 0                                                                                 \
    }
/* Jumps count instructions; the places they go to are the L_ names, which a static assertion each holds in place. */
#define GOTO(from, to)                                                                                                 \
    {                                                                                                                  \
        BPF_JMP | BPF_JA, 0, 0, (to) - (from)-1, 0                                                                     \
    }
#define IF_EQUAL(from, reg, value, to)                                                                                 \
    {                                                                                                                  \
        BPF_JMP | BPF_JEQ | BPF_K, reg, 0, (to) - (from)-1, value                                                      \
    }
#define IF_OTHER(from, reg, value, to)                                                                                 \
    {                                                                                                                  \
        BPF_JMP | BPF_JNE | BPF_K, reg, 0, (to) - (from)-1, value                                                      \
    }
#define IF_BEYOND(from, reg, limit, to)                                                                                \
    {                                                                                                                  \
        BPF_JMP | BPF_JGT | BPF_X, reg, limit, (to) - (from)-1, 0                                                      \
    }
/* A map's descriptor takes two instructions; it is put in before loading. */
#define MAP(dst)                                                                                                       \
    {BPF_LD | BPF_DW | BPF_IMM, dst, BPF_PSEUDO_MAP_FD, 0, 0},                                                         \
    {                                                                                                                  \
        0, 0, 0, 0, 0                                                                                                  \
    }

/* What is loaded from a frame is in the network's order; constants are turned likewise. */
#define TYPE_4   0x0008
#define TYPE_ARP 0x0608
#define TYPE_6   0xdd86

#define SHORTEST      42 /* Ethernet and ARP, or IPv4 and UDP */
#define AT_TYPE       12
#define AT_ARP_TARGET 38
#define AT_DST4       30
#define AT_NEXT6      20
#define AT_DST6       38
#define END6          54
#define AT_ICMP6      54
#define AT_ND_TARGET  62
#define END_ND        78
#define ND_SOLICIT    135
#define ICMP6         58
#define MULTICAST6    0xff

/* Where the key lies below the stack's end: ::ffff:a.b.c.d, or 16 bytes. */
#define KEY       (-16)
#define KEY_FFFF  (-6)
#define KEY_LAST4 (-4)

enum { L_ARP = 13, L_V4 = 15, L_KEY4 = 16, L_V6 = 19, L_UNICAST6 = 35, L_LOOKUP = 39, L_PASS = 50, L_REDIRECT = 52 };

#define CLAIMS_AT  L_LOOKUP
#define SOCKETS_AT 46

static const struct bpf_insn template[] = {
    /* 0 */ MOVE(R_KEEP, R_CTX),
    /* 1 */ LOAD(BPF_W, R_DATA, R_CTX, 0),
    /* 2 */ LOAD(BPF_W, R_END, R_CTX, 4),
    /* 3 */ MOVE(R_LIMIT, R_DATA),
    /* 4 */ ADD(R_LIMIT, SHORTEST),
    /* 5 */ IF_BEYOND(5, R_LIMIT, R_END, L_PASS),
    /* 6 */ SET(BPF_DW, R_STACK, KEY, 0),
    /* 7 */ SET(BPF_DW, R_STACK, KEY + 8, 0),
    /* 8 */ LOAD(BPF_H, R_VALUE, R_DATA, AT_TYPE),
    /* 9 */ IF_EQUAL(9, R_VALUE, TYPE_4, L_V4),
    /* 10 */ IF_EQUAL(10, R_VALUE, TYPE_6, L_V6),
    /* 11 */ IF_EQUAL(11, R_VALUE, TYPE_ARP, L_ARP),
    /* 12 */ GOTO(12, L_PASS),
    /* 13, L_ARP */ LOAD(BPF_W, R_VALUE, R_DATA, AT_ARP_TARGET),
    /* 14 */ GOTO(14, L_KEY4),
    /* 15, L_V4 */ LOAD(BPF_W, R_VALUE, R_DATA, AT_DST4),
    /* 16, L_KEY4 */ STORE(BPF_W, R_STACK, KEY_LAST4, R_VALUE),
    /* 17 */ SET(BPF_H, R_STACK, KEY_FFFF, 0xffff),
    /* 18 */ GOTO(18, L_LOOKUP),
    /* 19, L_V6 */ MOVE(R_LIMIT, R_DATA),
    /* 20 */ ADD(R_LIMIT, END6),
    /* 21 */ IF_BEYOND(21, R_LIMIT, R_END, L_PASS),
    /* 22 */ LOAD(BPF_B, R_VALUE, R_DATA, AT_DST6),
    /* 23 */ IF_OTHER(23, R_VALUE, MULTICAST6, L_UNICAST6),
    /* 24 */ ADD(R_LIMIT, END_ND - END6),
    /* 25 */ IF_BEYOND(25, R_LIMIT, R_END, L_PASS),
    /* 26 */ LOAD(BPF_B, R_VALUE, R_DATA, AT_NEXT6),
    /* 27 */ IF_OTHER(27, R_VALUE, ICMP6, L_PASS),
    /* 28 */ LOAD(BPF_B, R_VALUE, R_DATA, AT_ICMP6),
    /* 29 */ IF_OTHER(29, R_VALUE, ND_SOLICIT, L_PASS),
    /* 30 */ LOAD(BPF_DW, R_VALUE, R_DATA, AT_ND_TARGET),
    /* 31 */ STORE(BPF_DW, R_STACK, KEY, R_VALUE),
    /* 32 */ LOAD(BPF_DW, R_VALUE, R_DATA, AT_ND_TARGET + 8),
    /* 33 */ STORE(BPF_DW, R_STACK, KEY + 8, R_VALUE),
    /* 34 */ GOTO(34, L_LOOKUP),
    /* 35, L_UNICAST6 */ LOAD(BPF_DW, R_VALUE, R_DATA, AT_DST6),
    /* 36 */ STORE(BPF_DW, R_STACK, KEY, R_VALUE),
    /* 37 */ LOAD(BPF_DW, R_VALUE, R_DATA, AT_DST6 + 8),
    /* 38 */ STORE(BPF_DW, R_STACK, KEY + 8, R_VALUE),
    /* 39, 40, L_LOOKUP */ MAP(R_CTX),
    /* 41 */ MOVE(R_DATA, R_STACK),
    /* 42 */ ADD(R_DATA, KEY),
    /* 43 */ CALL(BPF_FUNC_map_lookup_elem),
    /* 44 */ IF_EQUAL(44, R_RET, 0, L_PASS),
    /* 45 */ LOAD(BPF_W, R_DATA, R_KEEP, 16), /* the queue it came by */
    /* 46, 47 */ MAP(R_CTX),
    /* 48 */ VALUE(R_END, XDP_PASS), /* where no socket serves the queue */
    /* 49 */ GOTO(49, L_REDIRECT),
    /* 50, L_PASS */ VALUE(R_RET, XDP_PASS),
    /* 51 */ EXIT,
    /* 52 */ CALL(BPF_FUNC_redirect_map),
    /* 53 */ EXIT,
};
_Static_assert(sizeof(template) / sizeof(template[0]) == L_REDIRECT + 2, "the places that jumps go to");

static int failed(const char *what, int err, struct error_text *et)
{
    if (err == -EPERM || err == -EACCES)
        return error_set(
            et, EPERM, "driver xdp: no permission for %s: needs CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW, or root", what);
    return error_set(et, -err, "driver xdp: %s: %s", what, strerror(-err));
}

int xdp_prog_load(struct xdp_prog *x, struct error_text *et)
{
    struct bpf_insn code[ARRAY_LEN(template)];

    x->claims = bpf_map_create(BPF_MAP_TYPE_HASH, "caracal_claims", 16, 1, CLAIMS_MAX, NULL);
    if (x->claims < 0)
        return failed("a map of addresses", x->claims, et);
    x->sockets = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "caracal_xsks", 4, 4, QUEUES_MAX, NULL);
    if (x->sockets < 0)
        return failed("a map of sockets", x->sockets, et);
    memcpy(code, template, sizeof(code));
    code[CLAIMS_AT].imm = x->claims;
    code[SOCKETS_AT].imm = x->sockets;
    x->prog = bpf_prog_load(BPF_PROG_TYPE_XDP, "caracal", "MIT", code, ARRAY_LEN(code), NULL);
    return x->prog < 0 ? failed("loading the program", x->prog, et) : 0;
}

int xdp_prog_attach(struct xdp_prog *x, int ifindex, bool generic)
{
    struct bpf_link_create_opts opts = {.sz = sizeof(opts), .flags = generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE};

    x->link = bpf_link_create(x->prog, ifindex, BPF_XDP, &opts);
    return x->link < 0 ? x->link : 0;
}

int xdp_prog_claim(struct xdp_prog *x, const uint8_t addr[16])
{
    uint8_t yes = 1;

    return bpf_map_update_elem(x->claims, addr, &yes, BPF_ANY);
}

int xdp_prog_serve(struct xdp_prog *x, uint32_t queue, int fd)
{
    return bpf_map_update_elem(x->sockets, &queue, &fd, BPF_ANY);
}

void xdp_prog_unload(struct xdp_prog *x)
{
    const int fds[] = {x->link, x->prog, x->sockets, x->claims};

    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    *x = XDP_PROG_NONE;
}
