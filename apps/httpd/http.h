/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 as far as the example serves it (RFC 9110, RFC 9112): bytes in, bytes out, no socket. GET and HEAD of "/"
 * and of "/bytes/N", the first N bytes of an endless text of eight-byte lines "0000000\n", "0000001\n" and so on: what
 * `seq -f %07.0f 0 9999999 | head -c N` prints.
 */
#ifndef APPS_HTTPD_HTTP_H
#define APPS_HTTPD_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX     8192                /* bytes of a request's head; a longer one is answered with 431 */
#define HTTP_BYTES_MAX    (UINT64_C(1) << 40) /* largest N */
#define HTTP_RESPONSE_MAX 512                 /* room for any response's head */
#define HTTP_DATE_MAX     32

/* What a request turned out to be, and so what its response is. */
struct http_request {
    int status;        /* 200, or what is wrong: 400, 404, 405, 431, 505 */
    bool head_only;    /* HEAD: the response has no body */
    bool is_bytes;     /* /bytes/N; else a short text of its own */
    bool close;        /* the connection ends after the response */
    uint64_t body_len; /* what Content-Length says */
};

/* Bytes of the head that begins at text, its empty line included; 0 when it is not complete. */
size_t http_head_len(const char *text, size_t len);

/* Understands a complete head. Never fails: what is wrong becomes the status. */
void http_parse(const char *head, size_t len, struct http_request *out);

/* The request that stands for a head which is too long: status 431. */
void http_too_long(struct http_request *out);

/* Writes the response's head to out[HTTP_RESPONSE_MAX] and returns its length. date is as RFC 9110 5.6.7 has it. */
size_t http_response_head(const struct http_request *r, const char *date, char *out);

/* Writes len bytes of the response's body from offset on; offset + len is at most body_len. */
void http_response_body(const struct http_request *r, uint64_t offset, void *out, size_t len);

#endif /* APPS_HTTPD_HTTP_H */
