/* SPDX-License-Identifier: MIT */
/*
 * The request parser of httpd on arbitrary bytes. Where a head ends does not depend on how the bytes come in; a request
 * that is served was well-formed and says whose it is; whatever could make two readers disagree on where the next
 * request begins ends the connection; the response is as long as it says.
 */
#include "httpd/http.h"

#include "fuzz.h"

#include <strings.h>

/* The head in memory of its own, so that an access behind it is seen. */
static char *copy_of(const uint8_t *data, size_t len)
{
    char *copy = malloc(len == 0 ? 1 : len);

    require(copy != NULL);
    if (len > 0)
        memcpy(copy, data, len);
    return copy;
}

/* Of a prefix it is unknown, or where it is. */
static void require_same_end(const uint8_t *data, size_t size, size_t head, size_t part)
{
    char *copy = copy_of(data, part);
    size_t got = http_head_len(copy, part);

    require(head <= size);
    require_equal((long long)got, head != 0 && part >= head ? (long long)head : 0);
    free(copy);
}

/* Does the line begin with the field's name? Blanks around the colon are not looked for: they must have been refused.
 */
static bool is_field(const char *line, size_t len, const char *name)
{
    return len > strlen(name) && strncasecmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':';
}

struct seen {
    unsigned hosts, lengths, encodings;
    bool body;
};

/* Reads the head's lines without any care for what httpd makes of them. False: not all are lines of clean text. */
static bool look_at_lines(const char *head, size_t len, struct seen *seen)
{
    *seen = (struct seen){.hosts = 0};
    while (len > 0) {
        const char *end = memchr(head, '\n', len);
        size_t n = end == NULL ? len : (size_t)(end - head);

        if (end == NULL || n == 0 || head[n - 1] != '\r' || memchr(head, '\r', n) != head + n - 1 ||
            memchr(head, '\0', n) != NULL || head[0] == ' ' || head[0] == '\t')
            return false;
        seen->hosts += is_field(head, n, "host");
        seen->encodings += is_field(head, n, "transfer-encoding");
        if (is_field(head, n, "content-length")) {
            seen->lengths++;
            seen->body |= strpbrk(memchr(head, ':', n), "123456789\n")[0] != '\n';
        }
        head += n + 1;
        len -= n + 1;
    }
    return true;
}

static void require_well_formed(const struct http_request *r, const char *head, size_t len)
{
    const char *line_end = memchr(head, '\n', len);
    struct seen seen;

    require(look_at_lines(head, len, &seen));
    require(line_end != NULL && line_end - head > 11);
    require(memcmp(line_end - 9, "HTTP/1.", 7) == 0 || r->status == 505);
    require(seen.hosts <= 1 && (seen.hosts == 1 || line_end[-2] == '0' || r->status == 505));
    require(seen.lengths == 0 || seen.encodings == 0);
    require(r->close || (!seen.body && seen.encodings == 0));
    require(r->status == 405 || (memcmp(head, "HEAD ", 5) == 0 ? r->head_only : memcmp(head, "GET ", 4) == 0));
}

/* The body in two pieces is the body in one. */
static void require_body(const struct http_request *r, uint64_t from, size_t len, size_t cut)
{
    char whole[100], pieces[100];

    from = r->body_len == 0 ? 0 : from % r->body_len;
    len = r->body_len - from < len ? (size_t)(r->body_len - from) : len;
    cut = len == 0 ? 0 : cut % len;
    http_response_body(r, from, whole, len);
    http_response_body(r, from, pieces, cut);
    http_response_body(r, from + cut, pieces + cut, len - cut);
    require(memcmp(whole, pieces, len) == 0);
}

static void require_response(const struct http_request *r)
{
    char head[HTTP_RESPONSE_MAX], length[64];
    size_t len = http_response_head(r, "Sun, 06 Nov 1994 08:49:37 GMT", head);

    snprintf(length, sizeof(length), "\r\nContent-Length: %llu\r\n", (unsigned long long)r->body_len);
    require(len < sizeof(head) && head[len] == '\0' && strlen(head) == len);
    require_equal((long long)http_head_len(head, len), (long long)len);
    require(strstr(head, length) != NULL && strtol(head + strlen("HTTP/1.1 "), NULL, 10) == r->status);
    require((strstr(head, "\r\nConnection: close\r\n") != NULL) == r->close);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t head = http_head_len((const char *)data, size);
    struct input in = {data, size};
    struct http_request r;
    char *copy;

    for (unsigned i = 0; i < 4; i++)
        require_same_end(data, size, head, size == 0 ? 0 : next_word(&in) % size);
    if (head > 0)
        require_same_end(data, size, head, head - 1);
    memset(&r, 'x', sizeof(r));
    copy = copy_of(data, head != 0 ? head : size);
    http_parse(copy, head != 0 ? head : size, &r); /* not complete: httpd never asks, and it must not matter */
    require(r.status == 200 || r.status == 400 || r.status == 404 || r.status == 405 || r.status == 505);
    require(r.body_len <= HTTP_BYTES_MAX && (!r.is_bytes || r.status == 200));
    require(r.status != 400 || r.close);
    if (r.status == 200 || r.status == 404 || r.status == 405) {
        require(head != 0);
        require_well_formed(&r, copy, head);
    }
    require_response(&r);
    require_body(&r, (uint64_t)next_word(&in) << 24 | next_word(&in), next_below(&in, 100), next_byte(&in));
    free(copy);
    return 0;
}
