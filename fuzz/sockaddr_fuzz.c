/* SPDX-License-Identifier: MIT */
/*
 * Addresses that a program hands in, of any family, size and content, to every call that takes one, on sockets of the
 * TCP/IP stack: no byte behind the size is read, an address that was taken comes back as it was, and a connection or
 * datagram to nobody ends. Byte 0: domain, type, call; the others are the address.
 */
#include "api/api.h"
#include "fuzz.h"

#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <demi/wait.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum call { BIND, CONNECT, PUSHTO, BIND_AND_CONNECT };

/* An operation ends, within virtual minutes, with a result that such a call may have. */
static void finish(demi_qtoken_t qt)
{
    struct timespec limit = {.tv_sec = 600};
    demi_qresult_t qr;

    require(demi_wait(&qr, qt, &limit) == 0);
    require(qr.qr_opcode != DEMI_OPC_FAILED || qr.qr_ret > 0);
}

/* The name of a bound socket: the address it was given, and a port. */
static void check_name(int qd, const void *addr, socklen_t size)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof(name);
    uint16_t wanted, port;

    require(demi_getsockname(qd, (struct sockaddr *)&name, &len) == 0 && len == size);
    memcpy(&wanted, (const char *)addr + 2, sizeof(wanted));
    memcpy(&port, (const char *)&name + 2, sizeof(port));
    require(port != 0 && (wanted == 0 || wanted == port));
    if (size == sizeof(struct sockaddr_in))
        require(memcmp((const char *)addr + 4, (const char *)&name + 4, 4) == 0);
    else
        require(memcmp((const char *)addr + 8, (const char *)&name + 8, 16) == 0);
}

static void try_bind(int qd, const void *addr, socklen_t size)
{
    if (demi_bind(qd, addr, size) == 0)
        check_name(qd, addr, size);
}

static void try_connect(int qd, const void *addr, socklen_t size)
{
    demi_qtoken_t qt;

    if (demi_connect(&qt, qd, addr, size) == 0)
        finish(qt);
}

static void try_pushto(int qd, const void *addr, socklen_t size)
{
    demi_sgarray_t sga = demi_sgaalloc(8);
    demi_qtoken_t qt;

    require(sga.sga_buf != NULL);
    memset(sga.sga_buf, 0, 8);
    if (demi_pushto(&qt, qd, &sga, addr, size) == 0)
        finish(qt);
    require(demi_sgafree(&sga) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    setenv("LIBOS", "sim", 1);
    unsetenv("CONFIG_PATH");
    setenv("STAT", "off", 1);
    setenv("TRACE", "off", 1);
    setenv("RUN_DIR", "/dev/null", 1);
    setenv("MEMORY_LIMIT", "64m", 1);
    require(demi_init(NULL) == 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int domain, type, qd;
    void *addr;

    if (size < 1)
        return 0;
    domain = (data[0] & 1) != 0 ? AF_INET6 : AF_INET;
    type = (data[0] & 2) != 0 ? SOCK_DGRAM : SOCK_STREAM;
    addr = malloc(size); /* of the very size: what lies behind it is poison */
    require(addr != NULL);
    require(demi_socket(&qd, domain, type, 0) == 0);
    memcpy(addr, data + 1, size - 1);
    addr = realloc(addr, size - 1 > 0 ? size - 1 : 1);
    switch ((enum call)(data[0] >> 2 & 3)) {
    case BIND:
        try_bind(qd, addr, (socklen_t)(size - 1));
        break;
    case CONNECT:
        try_connect(qd, addr, (socklen_t)(size - 1));
        break;
    case PUSHTO:
        try_pushto(qd, addr, (socklen_t)(size - 1));
        break;
    case BIND_AND_CONNECT:
        try_bind(qd, addr, (socklen_t)(size - 1));
        try_connect(qd, addr, (socklen_t)(size - 1));
        break;
    }
    require(demi_close(qd) == 0);
    free(addr);
    return 0;
}
