/* SPDX-License-Identifier: MIT */
/* Commands on the connection. */
#include "kv/command.h"
#include "kv/text.h"

#include <demi/ext.h>
#include <inttypes.h>
#include <stdio.h>

#define LIST_LINE 256 /* bytes of a line of CLIENT LIST */

void command_ping(struct call *c)
{
    if (c->argc > 2) {
        error_arity(c, "ping");
    } else if (c->argc == 2) {
        reply_bulk(c->reply, c->argv[1]);
    } else {
        reply_simple(c->reply, "PONG");
    }
}

void command_echo(struct call *c)
{
    reply_bulk(c->reply, c->argv[1]);
}

void command_select(struct call *c)
{
    int64_t number;
    if (!text_number(c->argv[1], &number)) {
        error_not_integer(c);
    } else if (number != 0) {
        reply_error(c->reply, "ERR DB index is out of range");
        c->kv->count.total_error_replies++;
    } else {
        reply_simple(c->reply, "OK");
    }
}

void command_quit(struct call *c)
{
    c->session->quit = true;
    reply_simple(c->reply, "OK");
}

void command_reset(struct call *c)
{
    c->session->name[0] = '\0';
    c->session->protocol = c->reply->protocol = 2;
    reply_simple(c->reply, "RESET");
}

/* A name has no blanks and no control characters; an empty one takes it away. */
static bool set_name(struct call *c, struct span name, char out[SESSION_NAME_MAX], const char *what)
{
    bool fine = name.len < SESSION_NAME_MAX;
    for (size_t i = 0; i < name.len && fine; i++) {
        fine = name.at[i] >= '!' && name.at[i] <= '~';
    }
    if (!fine) {
        reply_error(c->reply, "ERR %s cannot contain spaces, newlines or special characters.", what);
        c->kv->count.total_error_replies++;
        return false;
    }
    memcpy(out, name.at, name.len);
    out[name.len] = '\0';
    return true;
}

static void tell_hello(struct call *c)
{
    reply_map(c->reply, 7);
    reply_text(c->reply, "server");
    reply_text(c->reply, "caracal-kv");
    reply_text(c->reply, "version");
    reply_text(c->reply, demi_version());
    reply_text(c->reply, "proto");
    reply_number(c->reply, c->session->protocol);
    reply_text(c->reply, "id");
    reply_number(c->reply, (int64_t)c->session->id);
    reply_text(c->reply, "mode");
    reply_text(c->reply, "standalone");
    reply_text(c->reply, "role");
    reply_text(c->reply, "master");
    reply_text(c->reply, "modules");
    reply_array(c->reply, 0);
}

void command_hello(struct call *c)
{
    int64_t version = c->session->protocol;
    if (c->argc > 1 && !text_number(c->argv[1], &version)) {
        reply_error(c->reply, "ERR Protocol version is not an integer or out of range");
        c->kv->count.total_error_replies++;
        return;
    }
    if (version != 2 && version != 3) {
        reply_error(c->reply, "NOPROTO unsupported protocol version");
        c->kv->count.total_error_replies++;
        return;
    }
    for (uint32_t i = 2; i < c->argc; i++) {
        if (text_is(c->argv[i], "setname") && i + 1 < c->argc) {
            if (!set_name(c, c->argv[++i], c->session->name, "Client names")) {
                return;
            }
        } else if (text_is(c->argv[i], "auth") && i + 2 < c->argc) {
            reply_error(c->reply, "ERR there are no passwords here: HELLO without AUTH");
            c->kv->count.total_error_replies++;
            return;
        } else {
            reply_error(c->reply, "ERR Syntax error in HELLO option '%.*s'",
                        (int)(c->argv[i].len < 64 ? c->argv[i].len : 64), c->argv[i].at);
            c->kv->count.total_error_replies++;
            return;
        }
    }
    c->session->protocol = c->reply->protocol = (unsigned)version;
    tell_hello(c);
}

static size_t session_line(const struct call *c, const struct session *s, char out[LIST_LINE * 2])
{
    uint64_t now_ms = c->kv->store.now_ms;
    int n = snprintf(out, (size_t)LIST_LINE * 2,
                     "id=%" PRIu64 " addr=%s fd=%d name=%s age=%" PRIu64 " idle=%" PRIu64
                     " db=0 cmd=%s resp=%u lib-name=%s lib-ver=%s\n",
                     s->id, s->peer, s->qd, s->name, (now_ms - s->since_ms) / 1000, (now_ms - s->seen_ms) / 1000,
                     s->last != NULL ? s->last : "NULL", s->protocol, s->lib_name, s->lib_version);
    return n > 0 ? (size_t)n : 0;
}

/* All lines are one bulk string, so that their length is counted first. */
static void client_list(struct call *c)
{
    char line[LIST_LINE * 2];
    size_t total = 0;
    const struct session *s;
    for (uint32_t at = 0; (s = c->kv->session(c->kv, &at)) != NULL; at++) {
        total += session_line(c, s, line);
    }
    int n = snprintf(line, sizeof(line), "$%zu\r\n", total);
    reply_raw(c->reply, line, (size_t)n);
    for (uint32_t at = 0; (s = c->kv->session(c->kv, &at)) != NULL; at++) {
        reply_raw(c->reply, line, session_line(c, s, line));
    }
    reply_raw(c->reply, "\r\n", 2);
}

static void client_setinfo(struct call *c)
{
    bool done = false;
    if (text_is(c->argv[2], "lib-name")) {
        done = set_name(c, c->argv[3], c->session->lib_name, "lib-name");
    } else if (text_is(c->argv[2], "lib-ver")) {
        done = set_name(c, c->argv[3], c->session->lib_version, "lib-ver");
    } else {
        error_syntax(c);
    }
    if (done) {
        reply_simple(c->reply, "OK");
    }
}

void command_client(struct call *c)
{
    char line[LIST_LINE * 2];
    if (text_is(c->argv[1], "id") && c->argc == 2) {
        reply_number(c->reply, (int64_t)c->session->id);
    } else if (text_is(c->argv[1], "getname") && c->argc == 2) {
        if (c->session->name[0] != '\0') {
            reply_text(c->reply, c->session->name);
        } else {
            reply_null(c->reply);
        }
    } else if (text_is(c->argv[1], "setname") && c->argc == 3) {
        if (set_name(c, c->argv[2], c->session->name, "Client names")) {
            reply_simple(c->reply, "OK");
        }
    } else if (text_is(c->argv[1], "info") && c->argc == 2) {
        reply_bulk(c->reply, (struct span){line, session_line(c, c->session, line)});
    } else if (text_is(c->argv[1], "list") && c->argc == 2) {
        client_list(c);
    } else if (text_is(c->argv[1], "setinfo") && c->argc == 4) {
        client_setinfo(c);
    } else if ((text_is(c->argv[1], "no-evict") || text_is(c->argv[1], "no-touch")) && c->argc == 3) {
        reply_simple(c->reply, "OK");
    } else {
        reply_error(c->reply, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try CLIENT HELP.",
                    (int)(c->argv[1].len < 64 ? c->argv[1].len : 64), c->argv[1].at);
        c->kv->count.total_error_replies++;
    }
}
