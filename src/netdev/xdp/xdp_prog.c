/* SPDX-License-Identifier: MIT */
/*
 * The program: see xdp_prog.h. It is written in BPF's instructions (RFC 9669), so that building needs no compiler for
 * BPF and running no file beside the module.
 */
#include "xdp_prog.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define CLAIMS_MAX 64
#define PORTS_MAX  131072 /* TCP's and UDP's */
#define QUEUES_MAX 64

/* Registers. 6 and 7 survive calls; 2 is the frame's begin before the call, 7 after it. */
#define R_RET   0
#define R_CTX   1
#define R_DATA  2
#define R_END   3
#define R_LIMIT 4
#define R_VALUE 5
#define R_KEEP  6
#define R_FRAME 7
#define R_PROTO 8
#define R_LAST  9
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
#define AND(dst, value)                                                                                                \
    {                                                                                                                  \
        BPF_ALU64 | BPF_AND | BPF_K, dst, 0, 0, value                                                                  \
    }
#define CALL(function)                                                                                                 \
    {                                                                                                                  \
        BPF_JMP | BPF_CALL, 0, 0, 0, function                                                                          \
    }
#define EXIT                                                                                                           \
    {                                                                                                                  \
        BPF_JMP | BPF_EXIT, 0, 0, 0, 0                                                                                 \
    }
/* Jumps name a label, which resolve() turns into the distance; a label itself is no instruction and is left out. */
#define LABEL 0xff
#define AT(label)                                                                                                      \
    {                                                                                                                  \
        LABEL, 0, 0, 0, label                                                                                          \
    }
#define GOTO(label)                                                                                                    \
    {                                                                                                                  \
        BPF_JMP | BPF_JA, 0, 0, label, 0                                                                               \
    }
#define IF_EQUAL(reg, value, label)                                                                                    \
    {                                                                                                                  \
        BPF_JMP | BPF_JEQ | BPF_K, reg, 0, label, value                                                                \
    }
#define IF_OTHER(reg, value, label)                                                                                    \
    {                                                                                                                  \
        BPF_JMP | BPF_JNE | BPF_K, reg, 0, label, value                                                                \
    }
#define IF_BEYOND(reg, limit, label)                                                                                   \
    {                                                                                                                  \
        BPF_JMP | BPF_JGT | BPF_X, reg, limit, label, 0                                                                \
    }
/* Unless the frame, whose begin is in reg, has so many bytes. */
#define UNLESS_BYTES(reg, bytes, label) MOVE(R_LIMIT, reg), ADD(R_LIMIT, bytes), IF_BEYOND(R_LIMIT, R_LAST, label)
/* A map's descriptor takes two instructions; it is put in before loading. */
#define MAP(dst, which)                                                                                                \
    {BPF_LD | BPF_DW | BPF_IMM, dst, BPF_PSEUDO_MAP_FD, 0, which},                                                     \
    {                                                                                                                  \
        0, 0, 0, 0, 0                                                                                                  \
    }

/* What is loaded from a frame is in the network's order; constants are turned likewise. */
#define TYPE_4   0x0008
#define TYPE_ARP 0x0608
#define TYPE_6   0xdd86
#define FRAGMENT 0xff3f /* more fragments, or an offset */

#define SHORTEST      42 /* Ethernet and ARP, or IPv4 and UDP */
#define AT_TYPE       12
#define AT_ARP_TARGET 38
#define AT_VERSION    14
#define AT_FRAGMENT   20
#define AT_PROTO4     23
#define AT_DST4       30
#define AT_PORT4      36 /* of the destination */
#define AT_ICMP4      34
#define AT_IN4        42 /* the packet that ICMP reports on */
#define AT_IN_PROTO4  51
#define AT_IN_PORT4   62 /* of its source, which is we */
#define END_IN4       66
#define AT_NEXT6      20
#define AT_DST6       38
#define END6          54
#define AT_PORT6      56
#define END_PORT6     58
#define AT_ICMP6      54
#define AT_IN_NEXT6   68
#define AT_IN_PORT6   102
#define END_IN6       106
#define AT_ND_TARGET  62
#define END_ND        78
#define ICMP6         58
#define ND_SOLICIT    135
#define UNREACHABLE4  3
#define UNREACHABLE6  1
#define TOO_BIG6      2
#define NO_OPTIONS    0x45
#define MULTICAST6    0xff

/* Where the keys lie below the stack's end: ::ffff:a.b.c.d, or 16 bytes; protocol and port. */
#define KEY       (-16)
#define KEY_FFFF  (-6)
#define KEY_LAST4 (-4)
#define KEY_PORT  (-24)

enum { MAP_CLAIMS, MAP_PORTS, MAP_SOCKETS, MAPS };
enum { L_ARP, L_V4, L_KEY4, L_V6, L_UNICAST6, L_LOOKUP, L_PORTS, L_PORTS6, L_ERROR4, L_ERROR6, L_PORT, L_PASS, L_OURS };
#define LABELS (L_OURS + 1)

static const struct bpf_insn template[] = {
    MOVE(R_KEEP, R_CTX),
    LOAD(BPF_W, R_DATA, R_CTX, 0),
    LOAD(BPF_W, R_LAST, R_CTX, 4),
    MOVE(R_FRAME, R_DATA),
    UNLESS_BYTES(R_FRAME, SHORTEST, L_PASS),
    SET(BPF_DW, R_STACK, KEY, 0),
    SET(BPF_DW, R_STACK, KEY + 8, 0),
    LOAD(BPF_H, R_PROTO, R_FRAME, AT_TYPE),
    IF_EQUAL(R_PROTO, TYPE_4, L_V4),
    IF_EQUAL(R_PROTO, TYPE_6, L_V6),
    IF_EQUAL(R_PROTO, TYPE_ARP, L_ARP),
    GOTO(L_PASS),
    /* whose is it: 16 bytes of a key */
    AT(L_ARP),
    LOAD(BPF_W, R_VALUE, R_FRAME, AT_ARP_TARGET),
    GOTO(L_KEY4),
    AT(L_V4),
    LOAD(BPF_W, R_VALUE, R_FRAME, AT_DST4),
    AT(L_KEY4),
    STORE(BPF_W, R_STACK, KEY_LAST4, R_VALUE),
    SET(BPF_H, R_STACK, KEY_FFFF, 0xffff),
    GOTO(L_LOOKUP),
    AT(L_V6),
    UNLESS_BYTES(R_FRAME, END6, L_PASS),
    LOAD(BPF_B, R_VALUE, R_FRAME, AT_DST6),
    IF_OTHER(R_VALUE, MULTICAST6, L_UNICAST6),
    UNLESS_BYTES(R_FRAME, END_ND, L_PASS),
    LOAD(BPF_B, R_VALUE, R_FRAME, AT_NEXT6),
    IF_OTHER(R_VALUE, ICMP6, L_PASS),
    LOAD(BPF_B, R_VALUE, R_FRAME, AT_ICMP6),
    IF_OTHER(R_VALUE, ND_SOLICIT, L_PASS),
    VALUE(R_PROTO, TYPE_ARP), /* it is of that kind */
    LOAD(BPF_DW, R_VALUE, R_FRAME, AT_ND_TARGET),
    STORE(BPF_DW, R_STACK, KEY, R_VALUE),
    LOAD(BPF_DW, R_VALUE, R_FRAME, AT_ND_TARGET + 8),
    STORE(BPF_DW, R_STACK, KEY + 8, R_VALUE),
    GOTO(L_LOOKUP),
    AT(L_UNICAST6),
    LOAD(BPF_DW, R_VALUE, R_FRAME, AT_DST6),
    STORE(BPF_DW, R_STACK, KEY, R_VALUE),
    LOAD(BPF_DW, R_VALUE, R_FRAME, AT_DST6 + 8),
    STORE(BPF_DW, R_STACK, KEY + 8, R_VALUE),
    AT(L_LOOKUP),
    MAP(R_CTX, MAP_CLAIMS),
    MOVE(R_DATA, R_STACK),
    ADD(R_DATA, KEY),
    CALL(BPF_FUNC_map_lookup_elem),
    IF_EQUAL(R_RET, 0, L_PASS),
    LOAD(BPF_B, R_VALUE, R_RET, 0),
    IF_EQUAL(R_VALUE, XDP_CLAIM_ALL, L_OURS),
    /* of an address that the kernel has too: only ports, and errors about them */
    IF_EQUAL(R_PROTO, TYPE_ARP, L_PASS),
    IF_EQUAL(R_PROTO, TYPE_6, L_PORTS6),
    LOAD(BPF_B, R_VALUE, R_FRAME, AT_VERSION),
    IF_OTHER(R_VALUE, NO_OPTIONS, L_PASS),
    LOAD(BPF_H, R_VALUE, R_FRAME, AT_FRAGMENT),
    AND(R_VALUE, FRAGMENT),
    IF_OTHER(R_VALUE, 0, L_PASS),
    LOAD(BPF_B, R_PROTO, R_FRAME, AT_PROTO4),
    IF_EQUAL(R_PROTO, IPPROTO_ICMP, L_ERROR4),
    LOAD(BPF_H, R_VALUE, R_FRAME, AT_PORT4),
    GOTO(L_PORT),
    AT(L_ERROR4),
    UNLESS_BYTES(R_FRAME, END_IN4, L_PASS),
    LOAD(BPF_B, R_VALUE, R_FRAME, AT_ICMP4),
    IF_OTHER(R_VALUE, UNREACHABLE4, L_PASS),
    LOAD(BPF_B, R_VALUE, R_FRAME, AT_IN4),
    IF_OTHER(R_VALUE, NO_OPTIONS, L_PASS),
    LOAD(BPF_B, R_PROTO, R_FRAME, AT_IN_PROTO4),
    LOAD(BPF_H, R_VALUE, R_FRAME, AT_IN_PORT4),
    GOTO(L_PORT),
    AT(L_PORTS6),
    UNLESS_BYTES(R_FRAME, END_PORT6, L_PASS),
    LOAD(BPF_B, R_PROTO, R_FRAME, AT_NEXT6),
    LOAD(BPF_B, R_VALUE, R_FRAME, AT_ICMP6),
    IF_EQUAL(R_PROTO, ICMP6, L_ERROR6),
    LOAD(BPF_H, R_VALUE, R_FRAME, AT_PORT6),
    GOTO(L_PORT),
    AT(L_ERROR6),
    AND(R_VALUE, 0xfc), /* types 1 to 3; 0 is none */
    IF_OTHER(R_VALUE, 0, L_PASS),
    UNLESS_BYTES(R_FRAME, END_IN6, L_PASS),
    LOAD(BPF_B, R_PROTO, R_FRAME, AT_IN_NEXT6),
    LOAD(BPF_H, R_VALUE, R_FRAME, AT_IN_PORT6),
    AT(L_PORT),
    STORE(BPF_H, R_STACK, KEY_PORT, R_VALUE),
    STORE(BPF_H, R_STACK, KEY_PORT + 2, R_PROTO),
    MAP(R_CTX, MAP_PORTS),
    MOVE(R_DATA, R_STACK),
    ADD(R_DATA, KEY_PORT),
    CALL(BPF_FUNC_map_lookup_elem),
    IF_EQUAL(R_RET, 0, L_PASS),
    AT(L_OURS),
    LOAD(BPF_W, R_DATA, R_KEEP, 16), /* the queue it came by */
    MAP(R_CTX, MAP_SOCKETS),
    VALUE(R_END, XDP_PASS), /* where no socket serves the queue */
    CALL(BPF_FUNC_redirect_map),
    EXIT,
    AT(L_PASS),
    VALUE(R_RET, XDP_PASS),
    EXIT,
};

/* What the map of ports is asked for, as the program writes it. */
struct port_key {
    uint16_t port; /* in the network's order */
    uint16_t proto;
};

static int failed(const char *what, int err, struct error_text *et)
{
    if (err == -EPERM || err == -EACCES)
        return error_set(
            et, EPERM, "driver xdp: no permission for %s: needs CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW, or root", what);
    return error_set(et, -err, "driver xdp: %s: %s", what, strerror(-err));
}

/* Writes the template's instructions, without labels, with distances and maps. Returns how many. */
static unsigned resolve(struct bpf_insn *code, const int *map)
{
    int place[LABELS] = {0};
    unsigned n = 0;

    for (size_t i = 0; i < ARRAY_LEN(template); i++) {
        if (template[i].code == LABEL)
            place[template[i].imm] = (int)n;
        else
            code[n++] = template[i];
    }
    for (unsigned i = 0; i < n; i++) {
        uint8_t kind = code[i].code;

        if (kind == (BPF_LD | BPF_DW | BPF_IMM))
            code[i].imm = map[code[i].imm];
        else if ((kind & 7) == BPF_JMP && kind != (BPF_JMP | BPF_CALL) && kind != (BPF_JMP | BPF_EXIT))
            code[i].off = (int16_t)(place[code[i].off] - (int)i - 1);
    }
    return n;
}

static int make_maps(struct xdp_prog *x, struct error_text *et)
{
    struct bpf_map_create_opts lazy = {.sz = sizeof(lazy), .map_flags = BPF_F_NO_PREALLOC};

    x->claims = bpf_map_create(BPF_MAP_TYPE_HASH, "caracal_claims", 16, 1, CLAIMS_MAX, NULL);
    if (x->claims < 0)
        return failed("a map of addresses", x->claims, et);
    x->ports = bpf_map_create(BPF_MAP_TYPE_HASH, "caracal_ports", sizeof(struct port_key), 4, PORTS_MAX, &lazy);
    if (x->ports < 0)
        return failed("a map of ports", x->ports, et);
    x->sockets = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "caracal_xsks", 4, 4, QUEUES_MAX, NULL);
    return x->sockets < 0 ? failed("a map of sockets", x->sockets, et) : 0;
}

int xdp_prog_load(struct xdp_prog *x, struct error_text *et)
{
    struct bpf_insn code[ARRAY_LEN(template)];
    int err = make_maps(x, et);

    if (err < 0)
        return err;
    const int maps[MAPS] = {[MAP_CLAIMS] = x->claims, [MAP_PORTS] = x->ports, [MAP_SOCKETS] = x->sockets};

    x->prog = bpf_prog_load(BPF_PROG_TYPE_XDP, "caracal", "MIT", code, resolve(code, maps), NULL);
    return x->prog < 0 ? failed("loading the program", x->prog, et) : 0;
}

static int attach(struct xdp_prog *x, int ifindex, uint32_t flags)
{
    struct bpf_link_create_opts opts = {.sz = sizeof(opts), .flags = flags};

    x->link = bpf_link_create(x->prog, ifindex, BPF_XDP, &opts);
    return x->link < 0 ? x->link : 0;
}

int xdp_prog_attach(struct xdp_prog *x, int ifindex, enum xdp_mode mode)
{
    int err = mode == XDP_GENERIC ? -EOPNOTSUPP : attach(x, ifindex, XDP_FLAGS_DRV_MODE);

    if (err < 0 && err != -EBUSY && mode != XDP_NATIVE)
        err = attach(x, ifindex, XDP_FLAGS_SKB_MODE);
    return err;
}

int xdp_prog_claim(struct xdp_prog *x, const uint8_t addr[16], enum xdp_claim how)
{
    uint8_t value = (uint8_t)how;

    return bpf_map_update_elem(x->claims, addr, &value, BPF_ANY);
}

int xdp_prog_take_port(struct xdp_prog *x, uint8_t proto, uint16_t port)
{
    struct port_key key = {htobe16(port), proto};
    uint32_t owner = (uint32_t)getpid();

    return bpf_map_update_elem(x->ports, &key, &owner, BPF_ANY);
}

void xdp_prog_give_port(struct xdp_prog *x, uint8_t proto, uint16_t port)
{
    struct port_key key = {htobe16(port), proto};

    bpf_map_delete_elem(x->ports, &key);
}

/* Has the process ended, also when nobody has taken notice of it yet (proc(5), its state)? */
static bool has_ended(uint32_t pid)
{
    char path[32], text[512], *state;
    ssize_t n;
    int fd;

    if (kill((pid_t)pid, 0) < 0 && errno == ESRCH)
        return true;
    snprintf(path, sizeof(path), "/proc/%u/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    state = strrchr(text, ')');
    return state != NULL && state[1] == ' ' && (state[2] == 'Z' || state[2] == 'X');
}

void xdp_prog_sweep(struct xdp_prog *x)
{
    struct port_key key, next;
    uint32_t owner;
    bool more = bpf_map_get_next_key(x->ports, NULL, &next) == 0;

    for (unsigned i = 0; more && i < PORTS_MAX; i++) {
        key = next;
        more = bpf_map_get_next_key(x->ports, &key, &next) == 0;
        if (bpf_map_lookup_elem(x->ports, &key, &owner) == 0 && has_ended(owner))
            bpf_map_delete_elem(x->ports, &key);
    }
}

int xdp_prog_serve(struct xdp_prog *x, uint32_t queue, int fd)
{
    return bpf_map_update_elem(x->sockets, &queue, &fd, BPF_ANY);
}

void xdp_prog_unload(struct xdp_prog *x)
{
    const int fds[] = {x->link, x->prog, x->sockets, x->ports, x->claims};

    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    *x = XDP_PROG_NONE;
}
