/* SPDX-License-Identifier: MIT */
/* pcapng, as much of it as is written: section header, interface descriptions, enhanced packets. Host byte order. */
#include "pcap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define BLOCK_SECTION   UINT32_C(0x0a0d0d0a)
#define BLOCK_INTERFACE 1
#define BLOCK_PACKET    6
#define BYTE_ORDER_MARK UINT32_C(0x1a2b3c4d)
#define LINK_ETHERNET   1
#define OPTION_END      0
#define OPTION_COMMENT  1
#define SECTION_USERAPP 4
#define IF_NAME         2
#define IF_TSRESOL      9
#define PACKET_FLAGS    2
#define BLOCK_MAX       65536

struct pcap {
    FILE *file;
    int error;
    unsigned interfaces;
    uint64_t left; /* bytes that the file may still grow by */
    uint32_t len;  /* of the block under construction */
    uint8_t block[BLOCK_MAX];
    char buffer[PCAP_BUFFER];
};

static void put(struct pcap *p, const void *bytes, uint32_t len)
{
    if (len > BLOCK_MAX - 64 - p->len) /* room is left for what ends a block */
        len = BLOCK_MAX - 64 - p->len;
    if (len > 0)
        memcpy(p->block + p->len, bytes, len);
    p->len += len;
}

static void put32(struct pcap *p, uint32_t v)
{
    put(p, &v, sizeof(v));
}

static void put16(struct pcap *p, uint16_t v)
{
    put(p, &v, sizeof(v));
}

static void pad(struct pcap *p)
{
    static const uint8_t zeros[4];

    put(p, zeros, -p->len & 3);
}

static void option(struct pcap *p, uint16_t code, const void *value, size_t len)
{
    if (len > PCAP_COMMENT_MAX)
        len = PCAP_COMMENT_MAX;
    put16(p, code);
    put16(p, (uint16_t)len);
    put(p, value, (uint32_t)len);
    pad(p);
}

static void begin(struct pcap *p, uint32_t type)
{
    p->len = 0;
    put32(p, type);
    put32(p, 0);
}

/* Ends the block: its length stands at both ends. False: it is not in the file. */
static bool end(struct pcap *p)
{
    uint32_t total = p->len + 4;

    memcpy(p->block + 4, &total, sizeof(total));
    memcpy(p->block + p->len, &total, sizeof(total));
    if (p->error != 0 || total > p->left)
        return false;
    p->left -= total;
    if (fwrite(p->block, 1, total, p->file) == total)
        return true;
    p->error = errno != 0 ? -errno : -EIO;
    return false;
}

static void section(struct pcap *p, const char *application)
{
    const uint64_t unknown = UINT64_MAX;

    begin(p, BLOCK_SECTION);
    put32(p, BYTE_ORDER_MARK);
    put16(p, 1);
    put16(p, 0);
    put(p, &unknown, sizeof(unknown));
    option(p, SECTION_USERAPP, application, strlen(application));
    option(p, OPTION_END, NULL, 0);
    end(p);
}

/* Opens the file for this capture alone, and empties it then. Negative errno. */
static int open_alone(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666), err;

    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && (ftruncate(fd, 0) == 0 || errno == EINVAL)) /* a pipe has no length */
        return fd;
    err = errno == EWOULDBLOCK ? -EBUSY : -errno;
    close(fd);
    return err;
}

struct pcap *pcap_open(const char *path, const char *application, uint64_t limit_bytes, int *err)
{
    struct pcap *p = malloc(sizeof(*p));
    int fd;

    *err = -ENOMEM;
    if (p == NULL)
        return NULL;
    p->error = 0;
    p->interfaces = 0;
    p->left = limit_bytes;
    fd = open_alone(path);
    p->file = fd < 0 ? NULL : fdopen(fd, "w");
    if (p->file == NULL) {
        *err = fd < 0 ? fd : -errno;
        if (fd >= 0)
            close(fd);
        free(p);
        return NULL;
    }
    setvbuf(p->file, p->buffer, _IOFBF, sizeof(p->buffer));
    *err = 0;
    section(p, application);
    return p;
}

unsigned pcap_interface(struct pcap *p, const char *name)
{
    const uint8_t nanoseconds = 9;

    begin(p, BLOCK_INTERFACE);
    put16(p, LINK_ETHERNET);
    put16(p, 0);
    put32(p, 0);
    option(p, IF_NAME, name, strlen(name));
    option(p, IF_TSRESOL, &nanoseconds, 1);
    option(p, OPTION_END, NULL, 0);
    end(p);
    return p->interfaces++;
}

void pcap_begin(struct pcap *p, uint64_t now_ns, unsigned interface, const struct frame_seg *seg, unsigned segs)
{
    uint32_t whole = 0, captured, start;

    for (unsigned i = 0; i < segs; i++)
        whole += seg[i].len;
    begin(p, BLOCK_PACKET);
    put32(p, interface);
    put32(p, (uint32_t)(now_ns >> 32));
    put32(p, (uint32_t)now_ns);
    put32(p, 0);
    put32(p, whole);
    start = p->len;
    for (unsigned i = 0; i < segs; i++) {
        uint32_t room = BLOCK_MAX - 512 - p->len;

        put(p, seg[i].ptr, seg[i].len < room ? seg[i].len : room);
    }
    captured = p->len - start;
    memcpy(p->block + start - 8, &captured, sizeof(captured));
    pad(p);
}

bool pcap_end(struct pcap *p, enum pcap_dir dir, const char *comment)
{
    uint32_t flags = dir;

    if (comment[0] != '\0')
        option(p, OPTION_COMMENT, comment, strlen(comment));
    if (dir != PCAP_UNKNOWN)
        option(p, PACKET_FLAGS, &flags, sizeof(flags));
    option(p, OPTION_END, NULL, 0);
    return end(p);
}

int pcap_error(const struct pcap *p)
{
    return p->error;
}

void pcap_flush(struct pcap *p)
{
    if (fflush(p->file) != 0 && p->error == 0)
        p->error = -errno;
}

int pcap_close(struct pcap *p)
{
    int err;

    pcap_flush(p);
    err = p->error;
    if (fclose(p->file) != 0 && err == 0)
        err = -errno;
    free(p);
    return err;
}
