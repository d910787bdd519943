/* SPDX-License-Identifier: MIT */
/* HTTP/1.1; see http.h. */
#include "httpd/http.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A run of the head's bytes. */
struct text {
    const char *at;
    size_t len;
};

/* What the header fields say that matters here. */
struct fields {
    unsigned hosts;
    bool have_length;
    bool have_encoding;
    uint64_t length;
    bool says_close;
    bool says_keep_alive;
};

static bool text_is(struct text t, const char *word)
{
    return t.len == strlen(word) && strncasecmp(t.at, word, t.len) == 0;
}

static bool text_begins(struct text t, const char *word)
{
    return t.len >= strlen(word) && strncmp(t.at, word, strlen(word)) == 0;
}

static struct text text_skip(struct text t, size_t n)
{
    return (struct text){t.at + n, t.len - n};
}

/* Cuts off and returns what stands before the first `stop`, which goes too; false when there is none. */
static bool text_cut(struct text *t, char stop, struct text *out)
{
    const char *end = memchr(t->at, stop, t->len);
    if (end == NULL) {
        return false;
    }
    *out = (struct text){t->at, (size_t)(end - t->at)};
    *t = text_skip(*t, out->len + 1);
    return true;
}

static struct text text_trim(struct text t)
{
    while (t.len > 0 && (t.at[0] == ' ' || t.at[0] == '\t')) {
        t = text_skip(t, 1);
    }
    while (t.len > 0 && (t.at[t.len - 1] == ' ' || t.at[t.len - 1] == '\t')) {
        t.len--;
    }
    return t;
}

/* Digits and nothing else, at most max. */
static bool text_number(struct text t, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (t.len == 0 || t.len > 18) {
        return false;
    }
    for (size_t i = 0; i < t.len; i++) {
        if (t.at[i] < '0' || t.at[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(t.at[i] - '0');
    }
    *out = value;
    return value <= max;
}

/* RFC 9110 5.6.2 */
static bool is_token(struct text t)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < t.len; i++) {
        char c = t.at[i];
        bool alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (!alnum && (c == '\0' || strchr(others, c) == NULL)) {
            return false;
        }
    }
    return t.len > 0;
}

/* Visible ASCII only, or in field values blanks and bytes above 127 too (RFC 9110 5.5). */
static bool is_clean(struct text t, bool in_value)
{
    for (size_t i = 0; i < t.len; i++) {
        unsigned char c = (unsigned char)t.at[i];
        bool visible = c > 0x20 && c < 0x7f;
        if (!visible && !(in_value && (c == ' ' || c == '\t' || c > 0x7f))) {
            return false;
        }
    }
    return true;
}

size_t http_head_len(const char *text, size_t len)
{
    for (size_t i = 0; i + 1 < len; i++) {
        if (text[i] != '\n') {
            continue;
        }
        if (text[i + 1] == '\n') {
            return i + 2;
        }
        if (i + 2 < len && text[i + 1] == '\r' && text[i + 2] == '\n') {
            return i + 3;
        }
    }
    return 0;
}

/* The next line without its CRLF; false where a line does not end like that (RFC 9112 2.2). */
static bool next_line(struct text *head, struct text *line)
{
    if (!text_cut(head, '\n', line) || line->len == 0 || line->at[line->len - 1] != '\r') {
        return false;
    }
    line->len--;
    return true;
}

static void parse_connection(struct text value, struct fields *f)
{
    while (value.len > 0) {
        struct text item;
        if (!text_cut(&value, ',', &item)) {
            item = value;
            value.len = 0;
        }
        item = text_trim(item);
        f->says_close |= text_is(item, "close");
        f->says_keep_alive |= text_is(item, "keep-alive");
    }
}

/* RFC 9112 5: name ":" value. A line that begins with a blank, or a blank before the colon, is refused. */
static bool parse_field(struct text line, struct fields *f)
{
    struct text name;
    if (!text_cut(&line, ':', &name) || !is_token(name) || !is_clean(line, true)) {
        return false;
    }
    struct text value = text_trim(line);
    if (text_is(name, "host")) {
        f->hosts++;
    } else if (text_is(name, "connection")) {
        parse_connection(value, f);
    } else if (text_is(name, "transfer-encoding")) {
        f->have_encoding = true;
    } else if (text_is(name, "content-length")) {
        uint64_t length;
        if (!text_number(value, UINT64_MAX, &length) || (f->have_length && f->length != length)) {
            return false;
        }
        f->have_length = true;
        f->length = length;
    }
    return true;
}

static bool parse_fields(struct text head, struct fields *f)
{
    struct text line;
    while (next_line(&head, &line)) {
        if (line.len == 0) {
            return head.len == 0 && !(f->have_length && f->have_encoding);
        }
        if (!parse_field(line, f)) {
            return false;
        }
    }
    return false;
}

/* Status of a request for a path, and the length of what it names. */
static void find_resource(struct text target, struct http_request *out)
{
    static const char scheme[] = "http://";
    if (text_begins(target, scheme)) { /* absolute-form, RFC 9112 3.2.2 */
        target = text_skip(target, strlen(scheme));
        while (target.len > 0 && target.at[0] != '/') {
            target = text_skip(target, 1);
        }
    }
    struct text path;
    if (!text_cut(&target, '?', &path)) {
        path = target;
    }
    if (text_is(path, "/")) {
        out->status = 200;
    } else if (text_begins(path, "/bytes/") && text_number(text_skip(path, 7), HTTP_BYTES_MAX, &out->body_len)) {
        out->status = 200;
        out->is_bytes = true;
    } else {
        out->status = 404;
    }
}

/* 0, 1 or -1 for a version of HTTP/1.0, of any later HTTP/1, or what is no version; 2 for another major version. */
static int parse_version(struct text version)
{
    bool shaped = version.len == 8 && text_begins(version, "HTTP/") && version.at[6] == '.';
    char major = shaped ? version.at[5] : 0;
    char minor = shaped ? version.at[7] : 0;
    if (major < '0' || major > '9' || minor < '0' || minor > '9') {
        return -1;
    }
    if (major != '1') {
        return 2;
    }
    return minor == '0' ? 0 : 1;
}

static const char *short_body(const struct http_request *r)
{
    switch (r->status) {
    case 200:
        return "Hello from Caracal. GET /bytes/N gives N bytes.\n";
    case 404:
        return "404 There is / and /bytes/N.\n";
    case 405:
        return "405 GET and HEAD only.\n";
    case 431:
        return "431 The request's head is too long.\n";
    case 505:
        return "505 HTTP/1.1 and HTTP/1.0 only.\n";
    default:
        return "400 That is not HTTP.\n";
    }
}

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 431:
        return "Request Header Fields Too Large";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Bad Request";
    }
}

/* Request line, RFC 9112 3: method SP target SP version. Sets the status; returns the minor version, or -1 for none. */
static int parse_request_line(struct text line, struct http_request *out)
{
    struct text method;
    struct text target;
    if (!text_cut(&line, ' ', &method) || !text_cut(&line, ' ', &target) || !is_token(method) || target.len == 0 ||
        !is_clean(target, false)) {
        return -1;
    }
    int version = parse_version(line);
    out->head_only = method.len == 4 && memcmp(method.at, "HEAD", 4) == 0;
    bool get = method.len == 3 && memcmp(method.at, "GET", 3) == 0;
    if (version == 2) {
        out->status = 505;
        return -1;
    }
    if (version >= 0) {
        find_resource(target, out);
        out->status = get || out->head_only ? out->status : 405;
    }
    return version;
}

/* Gives a response that is not /bytes/N its length. */
static void finish(struct http_request *out)
{
    if (out->status != 200) {
        out->is_bytes = false;
    }
    if (!out->is_bytes) {
        out->body_len = strlen(short_body(out));
    }
}

void http_parse(const char *head, size_t len, struct http_request *out)
{
    struct text rest = {head, len};
    struct text line;
    struct fields fields = {.hosts = 0};
    *out = (struct http_request){.status = 400, .close = true};
    int minor = next_line(&rest, &line) ? parse_request_line(line, out) : -1;
    if (minor >= 0) {
        if (!parse_fields(rest, &fields) || fields.hosts > 1 || (minor == 1 && fields.hosts == 0)) {
            out->status = 400;
        } else {
            bool body = fields.have_encoding || fields.length > 0; /* nothing here reads one */
            out->close = body || fields.says_close || (minor == 0 && !fields.says_keep_alive);
        }
    }
    finish(out);
}

void http_too_long(struct http_request *out)
{
    *out = (struct http_request){.status = 431, .close = true};
    finish(out);
}

size_t http_response_head(const struct http_request *r, const char *date, char *out)
{
    int len = snprintf(out, HTTP_RESPONSE_MAX,
                       "HTTP/1.1 %d %s\r\nDate: %s\r\nServer: caracal\r\nContent-Type: text/plain\r\n"
                       "Content-Length: %" PRIu64 "\r\nConnection: %s\r\n%s\r\n",
                       r->status, reason(r->status), date, r->body_len, r->close ? "close" : "keep-alive",
                       r->status == 405 ? "Allow: GET, HEAD\r\n" : "");
    assert(len > 0 && len < HTTP_RESPONSE_MAX);
    return (size_t)len;
}

/* Line number `index` of the text of /bytes/N: seven digits and a newline. */
static void bytes_line(uint64_t index, char line[8])
{
    for (int i = 6; i >= 0; i--) {
        line[i] = (char)('0' + index % 10);
        index /= 10;
    }
    line[7] = '\n';
}

void http_response_body(const struct http_request *r, uint64_t offset, void *out, size_t len)
{
    char *to = out;
    assert(offset + len <= r->body_len);
    if (!r->is_bytes) {
        memcpy(to, short_body(r) + offset, len);
        return;
    }
    for (size_t done = 0; done < len;) {
        char line[8];
        size_t first = (offset + done) % 8;
        size_t n = 8 - first < len - done ? 8 - first : len - done;
        bytes_line((offset + done) / 8, line);
        memcpy(to + done, line + first, n);
        done += n;
    }
}
