/* SPDX-License-Identifier: MIT */
/*
 * The reader of addresses in the programs' options on arbitrary text. What it accepts is an address and a port, is the
 * same when it is written out and read again, and is written within the room that is given; what it refuses leaves the
 * result alone.
 */
#include "common/addr.h"

#include "fuzz.h"

#include <netinet/in.h>

/* Text with the room of exactly `room` bytes: an access behind it would be seen. */
static char *write_out(const struct addr *a, size_t room)
{
    char *text = malloc(room);

    require(text != NULL);
    memset(text, 'x', room);
    require(addr_format(a, text, room) == text);
    require(memchr(text, '\0', room) != NULL);
    return text;
}

static void require_round_trip(const struct addr *a, size_t short_room)
{
    char *text = write_out(a, ADDR_TEXT_MAX), *cut = write_out(a, short_room);
    struct addr again;

    require(strlen(text) < ADDR_TEXT_MAX - 1);
    require(strncmp(text, cut, short_room - 1) == 0);
    require(addr_parse(text, &again) && addr_equal(a, &again) && again.len == a->len);
    free(cut);
    free(text);
}

/* The port is the number behind the last colon. */
static void require_port(const struct addr *a, const char *text)
{
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)&a->storage;

    require_equal(ntohs(in4->sin_port), strtol(strrchr(text, ':') + 1, NULL, 10));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct addr a, before;

    require(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    memset(&a, 'x', sizeof(a));
    before = a;
    if (addr_parse(text, &a)) {
        bool v6 = a.storage.ss_family == AF_INET6;

        require(v6 || a.storage.ss_family == AF_INET);
        require_equal(a.len, v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
        require(v6 == (text[0] == '['));
        require_port(&a, text);
        require_round_trip(&a, 1 + size % ADDR_TEXT_MAX);
    } else {
        require(memcmp(&a, &before, sizeof(a)) == 0);
    }
    free(text);
    return 0;
}
