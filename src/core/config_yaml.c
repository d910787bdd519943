/* SPDX-License-Identifier: MIT */
/*
 * The structure of the YAML file: one document, one mapping, plain names and values. Events rather than documents are
 * read, because only they show anchors, tags and where a thing stands; whatever is not needed is refused as soon as it
 * is seen, so nothing nests and nothing recurses.
 */
#include "config_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#define WHERE_MAX 300

struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    const char *name; /* of the file */
    struct error_text *et;
    char where[WHERE_MAX];
};

/* Notes the line (from 0) that the next message is about. */
static const char *place(struct reader *r, size_t line)
{
    const char *name = r->name;
    size_t len = strlen(name);

    /* Of a long path the end tells more. */
    if (len > WHERE_MAX - 32)
        name += len - (WHERE_MAX - 32);
    snprintf(r->where, sizeof(r->where), "%s:%zu: ", name, line + 1);
    return r->where;
}

static int refuse(struct reader *r, const char *what)
{
    return error_set(r->et, EINVAL, "%s%s", place(r, r->event.start_mark.line), what);
}

/* Reads the next event into r->event, releasing the one before. */
static int next_event(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;

    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->parser, &r->event))
        return 0;
    switch (p->error) {
    case YAML_MEMORY_ERROR:
        return error_set(r->et, ENOMEM, "%s: out of memory", r->name);
    case YAML_READER_ERROR:
        return error_set(r->et, EINVAL, "%s: byte %zu is not text: %s", r->name, p->problem_offset,
                         p->problem != NULL ? p->problem : "unknown");
    default:
        return error_set(r->et, EINVAL, "%snot YAML: %s", place(r, p->problem_mark.line),
                         p->problem != NULL ? p->problem : "unknown");
    }
}

/* Is the event a scalar that can be a name or a value? */
static int check_scalar(struct reader *r, const char *key)
{
    const char *where = place(r, r->event.start_mark.line);
    const char *before = key != NULL ? key : "", *colon = key != NULL ? ": " : "";

    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        break;
    case YAML_ALIAS_EVENT:
        return error_set(r->et, EINVAL, "%s%.80s%saliases are not accepted", where, before, colon);
    case YAML_SEQUENCE_START_EVENT:
        return error_set(r->et, EINVAL, "%s%.80s%sa list, where one value is expected", where, before, colon);
    default:
        return error_set(r->et, EINVAL, "%s%.80s%sa mapping, where one value is expected", where, before, colon);
    }
    if (r->event.data.scalar.anchor != NULL)
        return error_set(r->et, EINVAL, "%s%.80s%sanchors are not accepted", where, before, colon);
    if (r->event.data.scalar.tag != NULL)
        return error_set(r->et, EINVAL, "%s%.80s%stags are not accepted", where, before, colon);
    if (memchr(r->event.data.scalar.value, '\0', r->event.data.scalar.length) != NULL)
        return error_set(r->et, EINVAL, "%s%.80s%sa zero byte", where, before, colon);
    return 0;
}

/* The scalar's text; YAML's words for nothing ("~", "null") are the empty text. */
static const char *scalar_text(const yaml_event_t *e)
{
    const char *text = (const char *)e->data.scalar.value;

    if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && (strcmp(text, "~") == 0 || strcmp(text, "null") == 0))
        return "";
    return text;
}

/* The name is in r->event; reads the value and sets it. */
static int read_setting(struct reader *r, struct config *c, config_seen *seen)
{
    size_t line = r->event.start_mark.line;
    struct config_place at;
    char *key;
    int ret = check_scalar(r, NULL);

    if (ret != 0)
        return ret;
    key = strdup((const char *)r->event.data.scalar.value);
    if (key == NULL)
        return error_set(r->et, ENOMEM, "%s: out of memory", r->name);
    ret = next_event(r);
    if (ret == 0)
        ret = check_scalar(r, key);
    if (ret == 0) {
        at.where = place(r, line);
        at.key = key;
        ret = config_set(c, seen, scalar_text(&r->event), &at, r->et);
    }
    free(key);
    return ret;
}

/* The mapping's start is in r->event; reads to its end. */
static int read_mapping(struct reader *r, struct config *c)
{
    config_seen seen = 0;
    int ret;

    if (r->event.data.mapping_start.anchor != NULL)
        return refuse(r, "anchors are not accepted");
    if (r->event.data.mapping_start.tag != NULL)
        return refuse(r, "tags are not accepted");
    /* Bounded by the file's length: every turn takes a name from it. */
    for (;;) {
        ret = next_event(r);
        if (ret != 0 || r->event.type == YAML_MAPPING_END_EVENT)
            return ret;
        ret = read_setting(r, c, &seen);
        if (ret != 0)
            return ret;
    }
}

/* The document's start is in r->event; reads what it holds, to its end. */
static int read_document(struct reader *r, struct config *c)
{
    int ret = next_event(r);

    if (ret != 0)
        return ret;
    if (r->event.type == YAML_MAPPING_START_EVENT)
        ret = read_mapping(r, c);
    else if (r->event.type != YAML_SCALAR_EVENT || scalar_text(&r->event)[0] != '\0')
        ret = refuse(r, "not a mapping of \"key: value\" lines");
    if (ret == 0)
        ret = next_event(r);
    assert(ret != 0 || r->event.type == YAML_DOCUMENT_END_EVENT);
    return ret;
}

static int read_stream(struct reader *r, struct config *c)
{
    int ret = next_event(r);

    assert(ret != 0 || r->event.type == YAML_STREAM_START_EVENT);
    if (ret == 0)
        ret = next_event(r);
    if (ret != 0 || r->event.type == YAML_STREAM_END_EVENT)
        return ret;
    ret = read_document(r, c);
    if (ret == 0)
        ret = next_event(r);
    if (ret == 0 && r->event.type != YAML_STREAM_END_EVENT)
        ret = refuse(r, "a second document, where only one is accepted");
    return ret;
}

int config_read_text(struct config *c, const char *name, const char *text, size_t len, struct error_text *et)
{
    struct reader r = {.name = name, .et = et};
    int ret;

    if (len > CONFIG_FILE_MAX)
        return error_set(et, EINVAL, "%s: longer than %d bytes", name, CONFIG_FILE_MAX);
    if (!yaml_parser_initialize(&r.parser))
        return error_set(et, ENOMEM, "%s: out of memory", name);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    ret = read_stream(&r, c);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    return ret;
}

/* Reads fd to its end, at most size bytes. Bytes read, or a negative errno. */
static ssize_t read_all(int fd, char *buf, size_t size)
{
    size_t got = 0;
    ssize_t n;

    while (got < size) {
        n = read(fd, buf + got, size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

int config_read_file(struct config *c, const char *path, struct error_text *et)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *buf;
    ssize_t n;
    int ret;

    if (fd < 0)
        return error_set(et, errno, "%s: %s", path, strerror(errno));
    buf = malloc(CONFIG_FILE_MAX + 1);
    if (buf == NULL) {
        close(fd);
        return error_set(et, ENOMEM, "%s: out of memory", path);
    }
    n = read_all(fd, buf, CONFIG_FILE_MAX + 1);
    close(fd);
    if (n < 0)
        ret = error_set(et, (int)-n, "%s: %s", path, strerror((int)-n));
    else
        ret = config_read_text(c, path, buf, (size_t)n, et);
    free(buf);
    return ret;
}
