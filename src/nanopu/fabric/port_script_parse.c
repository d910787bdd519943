/* SPDX-License-Identifier: MIT */
/* Reading a script: lines of words, words of field=value. */
#include "port_script_internal.h"

#include "nanopu/fabric/topology.h"
#include "nanopu/sim/nearest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 4096 /* characters of one word: all payload of a packet, in hexadecimal, and more */

#define MSG_MEMBER_SIZE(member) sizeof(((struct msg_header *)0)->member)
const struct script_field script_fields[] = {
#define SCRIPT_FIELD(name, member, kind) {#name, kind, offsetof(struct msg_header, member), MSG_MEMBER_SIZE(member)},
    SCRIPT_FIELDS(SCRIPT_FIELD)
#undef SCRIPT_FIELD
        {NULL, 0, 0, 0},
};

static const struct {
    const char *name;
    uint8_t bit;
} flag_names[] = {{"data", MSG_DATA}, {"ack", MSG_ACK}, {"nack", MSG_NACK}, {"pull", MSG_PULL}, {"chop", MSG_CHOP}};

struct reader {
    struct script *s;
    const char *at, *end; /* of the line */
    unsigned line;
    struct error_text *et;
};

static int refuse(const struct reader *r, const char *what, const char *word)
{
    return error_set(r->et, EINVAL, "%.200s:%u: %s \"%.60s\"", r->s->name, r->line, what, word);
}

/* The next word of the line into buf; false at its end. Longer ones are cut, and refused by whoever reads them. */
static bool next_word(struct reader *r, char *buf)
{
    size_t len = 0;

    while (r->at < r->end && (*r->at == ' ' || *r->at == '\r' || *r->at == 9))
        r->at++;
    if (r->at == r->end || *r->at == '#')
        return false;
    for (; r->at < r->end && *r->at != ' ' && *r->at != '\r' && *r->at != 9 && *r->at != '#'; r->at++) {
        if (len < WORD_MAX - 1)
            buf[len++] = *r->at;
    }
    buf[len] = '\0';
    return true;
}

static bool parse_number(const char *text, uint64_t max, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 0);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *out <= max;
}

static bool parse_flags(const char *text, uint64_t *out)
{
    *out = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, "+"), i = 0;

        while (i < ARRAY_LEN(flag_names) &&
               (strlen(flag_names[i].name) != len || strncmp(flag_names[i].name, text, len) != 0))
            i++;
        if (i == ARRAY_LEN(flag_names))
            return false;
        *out |= flag_names[i].bit;
        text += len;
        if (*text == '+' && *++text == '\0')
            return false;
    }
    return *out != 0;
}

static uint64_t get_member(const struct script_field *f, const struct msg_header *h)
{
    const uint8_t *at = (const uint8_t *)h + f->offset;
    uint32_t u32;
    uint16_t u16;

    if (f->size == 1)
        return *at;
    if (f->size == 2) {
        memcpy(&u16, at, sizeof(u16));
        return u16;
    }
    memcpy(&u32, at, sizeof(u32));
    return u32;
}

static void set_member(const struct script_field *f, struct msg_header *h, uint64_t value)
{
    uint8_t *at = (uint8_t *)h + f->offset;
    uint32_t u32 = (uint32_t)value;
    uint16_t u16 = (uint16_t)value;

    if (f->size == 1)
        *at = (uint8_t)value;
    else if (f->size == 2)
        memcpy(at, &u16, sizeof(u16));
    else
        memcpy(at, &u32, sizeof(u32));
}

void script_field_text(const struct script_field *f, const struct msg_header *h, char *buf, size_t size)
{
    uint64_t value = get_member(f, h);
    size_t len = 0;
    char ip[16];

    if (f->kind == 'n') {
        snprintf(buf, size, "%" PRIu64, value);
    } else if (f->kind == 'i') {
        snprintf(buf, size, "%s", ip_text((uint32_t)value, ip));
    } else {
        buf[0] = '\0';
        for (size_t i = 0; i < ARRAY_LEN(flag_names); i++) {
            if ((value & flag_names[i].bit) != 0)
                len += (size_t)snprintf(buf + len, size - len, "%s%s", len > 0 ? "+" : "", flag_names[i].name);
        }
    }
}

static int add_byte(struct script_packet *p, uint8_t byte)
{
    if (p->payload == NULL)
        p->payload = malloc(SEGMENT_BYTES);
    if (p->payload == NULL)
        return -ENOMEM;
    if (p->payload_len == SEGMENT_BYTES)
        return -EMSGSIZE;
    p->payload[p->payload_len++] = byte;
    return 0;
}

/* 64-bit numbers, most significant byte first: as netTX sends them. */
static int parse_words(struct script_packet *p, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        char word[32];
        uint64_t value;
        int ret = 0;

        if (len >= sizeof(word))
            return -EINVAL;
        memcpy(word, text, len);
        word[len] = '\0';
        if (!parse_number(word, UINT64_MAX, &value))
            return -EINVAL;
        for (unsigned i = 0; i < 8 && ret == 0; i++)
            ret = add_byte(p, (uint8_t)(value >> (56 - 8 * i)));
        if (ret != 0)
            return ret;
        text += len + (text[len] == ',');
    }
    return 0;
}

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c | 0x20) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

static int parse_bytes(struct script_packet *p, const char *text)
{
    for (; *text != '\0'; text += 2) {
        int high = digit(text[0]), low = high >= 0 ? digit(text[1]) : -1, ret;

        if (low < 0)
            return -EINVAL;
        ret = add_byte(p, (uint8_t)(high << 4 | low));
        if (ret != 0)
            return ret;
    }
    return 0;
}

static int unknown_field(const struct reader *r, const char *name)
{
    struct nearest n;

    nearest_start(&n, name);
    for (const struct script_field *f = script_fields; f->name != NULL; f++)
        nearest_try(&n, f->name);
    nearest_try(&n, "words");
    nearest_try(&n, "bytes");
    return error_set(r->et, EINVAL, "%.200s:%u: unknown field \"%.40s\"; the nearest there is, is \"%s\"", r->s->name,
                     r->line, name, n.best != NULL ? n.best : "dst");
}

/* "field=value" into the packet. */
static int parse_field(const struct reader *r, struct script_packet *p, char *word)
{
    const struct script_field *f = script_fields;
    char *equals = strchr(word, '=');
    uint64_t value = 0;
    uint32_t ip = 0;
    bool good;
    int ret;

    if (equals == NULL || strlen(word) >= WORD_MAX - 1)
        return refuse(r, "field=value is expected, not", word);
    *equals = '\0';
    if (strcmp(word, "words") == 0 || strcmp(word, "bytes") == 0) {
        ret = word[0] == 'w' ? parse_words(p, equals + 1) : parse_bytes(p, equals + 1);
        if (ret == -ENOMEM)
            return error_set(r->et, ENOMEM, "%.200s: out of memory", r->s->name);
        return ret == 0 ? 0 : refuse(r, ret == -EMSGSIZE ? "too long for a packet:" : "no payload:", equals + 1);
    }
    while (f->name != NULL && strcmp(f->name, word) != 0)
        f++;
    if (f->name == NULL)
        return unknown_field(r, word);
    if (f->kind == 'i') {
        good = ip_parse(equals + 1, &ip) == 0;
        value = ip;
    } else {
        good = f->kind == 'f' ? parse_flags(equals + 1, &value)
                              : parse_number(equals + 1, f->size == 1 ? UINT8_MAX : UINT16_MAX, &value);
    }
    if (!good)
        return refuse(r,
                      f->kind == 'i'   ? "no address:"
                      : f->kind == 'f' ? "no flags:"
                                       : "no number, or too large:",
                      equals + 1);
    p->given |= 1u << (f - script_fields);
    set_member(f, &p->header, value);
    return 0;
}

/* "at 100" and the like, when the line begins so; word is then the word after it. */
static int parse_when(struct reader *r, struct script_step *step, char *word)
{
    static const struct {
        const char *word;
        enum script_when when;
    } words[] = {{"at", SCRIPT_AT}, {"by", SCRIPT_BY}, {"after", SCRIPT_AFTER}, {"within", SCRIPT_AFTER}};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(words[i].word, word) != 0)
            continue;
        step->when = words[i].when;
        if (!next_word(r, word) || !parse_number(word, UINT64_MAX / 4, &step->cycle))
            return refuse(r, "a number of cycles is expected, not", word);
        if (!next_word(r, word))
            return refuse(r, "send or expect is missing after", words[i].word);
        break;
    }
    return 0;
}

static int parse_step(struct reader *r, struct script_step *step, char *word)
{
    int ret = parse_when(r, step, word);

    if (ret != 0)
        return ret;
    if (strcmp(word, "send") == 0)
        step->verb = SCRIPT_SEND;
    else if (strcmp(word, "expect") == 0)
        step->verb = SCRIPT_EXPECT;
    else if (strcmp(word, "ignore") == 0)
        step->verb = SCRIPT_IGNORE;
    else
        return refuse(r, "send, expect or ignore is expected, not", word);
    if ((step->verb == SCRIPT_SEND && step->when == SCRIPT_BY) ||
        (step->verb == SCRIPT_IGNORE && step->when != SCRIPT_ANY))
        return refuse(r, "no such time is possible with", word);
    while (ret == 0 && next_word(r, word))
        ret = parse_field(r, &step->packet, word);
    if (ret == 0 && step->verb == SCRIPT_SEND && (step->packet.given & 1u << FIELD_dst) == 0)
        return refuse(r, "a destination (dst=) is missing after", "send");
    return ret;
}

static int parse_lines(struct script *s, const char *text, size_t len, struct error_text *et)
{
    struct reader r = {.s = s, .et = et};
    const char *end = text + len;
    char *word = malloc(WORD_MAX);
    int ret = 0;

    if (word == NULL)
        return error_set(et, ENOMEM, "%.200s: out of memory", s->name);
    for (const char *at = text; at < end && ret == 0; at = r.end + 1) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));

        r.line++;
        r.at = at;
        r.end = newline != NULL ? newline : end;
        if (!next_word(&r, word))
            continue;
        if (s->step_count == SCRIPT_LINES_MAX) {
            ret = refuse(&r, "more statements than a script may have:", word);
            break;
        }
        s->steps[s->step_count].line = r.line;
        ret = parse_step(&r, &s->steps[s->step_count], word);
        s->ignores += s->steps[s->step_count++].verb == SCRIPT_IGNORE;
    }
    free(word);
    return ret;
}

/* Lines that may be statements, for the table of them. */
static size_t count_lines(const char *text, size_t len)
{
    size_t lines = 1;

    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n';
    return lines < SCRIPT_LINES_MAX ? lines : SCRIPT_LINES_MAX;
}

int script_parse(struct script **out, const char *name, const char *text, size_t len, struct error_text *et)
{
    struct script *s = calloc(1, sizeof(*s));
    int ret;

    if (s != NULL) {
        s->name = strdup(name);
        s->steps = calloc(count_lines(text, len), sizeof(*s->steps));
    }
    if (s == NULL || s->name == NULL || s->steps == NULL) {
        script_free(s);
        return error_set(et, ENOMEM, "%.200s: out of memory", name);
    }
    ret = parse_lines(s, text, len, et);
    if (ret != 0) {
        script_free(s);
        return ret;
    }
    while (s->next < s->step_count && s->steps[s->next].verb == SCRIPT_IGNORE)
        s->next++;
    *out = s;
    return 0;
}

int script_read(struct script **out, const char *path, struct error_text *et)
{
    FILE *f = fopen(path, "rbe");
    char *text = f != NULL ? malloc(SCRIPT_FILE_MAX) : NULL;
    size_t len;
    int ret;

    if (f == NULL)
        return error_set(et, errno, "%s: %s", path, strerror(errno));
    if (text == NULL) {
        fclose(f);
        return error_set(et, ENOMEM, "%s: out of memory", path);
    }
    errno = 0;
    len = fread(text, 1, SCRIPT_FILE_MAX, f);
    if (ferror(f) || len == SCRIPT_FILE_MAX)
        ret = error_set(et, errno != 0 ? errno : EFBIG, "%s: %s", path, strerror(errno != 0 ? errno : EFBIG));
    else
        ret = script_parse(out, path, text, len, et);
    fclose(f);
    free(text);
    return ret;
}
