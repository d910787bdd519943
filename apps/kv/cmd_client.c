/* SPDX-License-Identifier: MIT */
/* Commands on the connection. */
#include "kv/command.h"
#include "kv/text.h"
#include "kv/transaction.h"

#include <demi/ext.h>
#include <inttypes.h>
#include <stdio.h>

#define LIST_LINE 1024 /* bytes of a line of CLIENT LIST */

/* NULL is the same as any. */
static bool same_text(struct span text, const char *other)
{
    return text.at == NULL || (text.len == strlen(other) && memcmp(text.at, other, text.len) == 0);
}

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
        error_text(c, "ERR DB index is out of range");
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
    transaction_drop(c->kv, c->session);
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

/* There are no passwords: the user that Redis has without any may come with whatever a client was set up to send. */
static bool may_enter(struct call *c, struct span user)
{
    bool may = same_text(user, "default");
    if (!may) {
        error_text(c, "WRONGPASS invalid username-password pair or user is disabled.");
    }
    return may;
}

void command_auth(struct call *c)
{
    if (c->argc > 3) {
        error_syntax(c);
    } else if (c->argc == 2) {
        error_text(c, "ERR AUTH <password> called without any password configured for the default user. Are you sure "
                      "your configuration is correct?");
    } else if (may_enter(c, c->argv[1])) {
        reply_simple(c->reply, "OK");
    }
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
        error_text(c, "ERR Protocol version is not an integer or out of range");
        return;
    }
    if (version != 2 && version != 3) {
        error_text(c, "NOPROTO unsupported protocol version");
        return;
    }
    for (uint32_t i = 2; i < c->argc; i++) {
        if (text_is(c->argv[i], "setname") && i + 1 < c->argc) {
            if (!set_name(c, c->argv[++i], c->session->name, "Client names")) {
                return;
            }
        } else if (text_is(c->argv[i], "auth") && i + 2 < c->argc) {
            if (!may_enter(c, c->argv[i + 1])) {
                return;
            }
            i += 2;
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

/* One line of CLIENT LIST. Nobody subscribes to anything here, so that those fields are 0. */
static size_t session_line(const struct call *c, const struct session *s, char out[LIST_LINE])
{
    uint64_t now_ms = store_now_ms(&c->kv->store);
    struct session_held held = c->kv->held(s);
    bool gathers = s->transaction != NULL && s->transaction->open;
    int n =
        snprintf(out, LIST_LINE,
                 "id=%" PRIu64 " addr=%s laddr=%s fd=%d name=%s age=%" PRIu64 " idle=%" PRIu64
                 " flags=N db=0 sub=0 psub=0 ssub=0 multi=%d qbuf=%" PRIu64 " qbuf-free=%" PRIu64
                 " argv-mem=0 multi-mem=%" PRIu64 " rbs=0 rbp=0 obl=0 oll=%" PRIu32 " omem=%" PRIu64 " tot-mem=%" PRIu64
                 " events=r cmd=%s user=default redir=-1 resp=%u lib-name=%s lib-ver=%s\n",
                 s->id, s->peer, s->local, s->qd, s->name, (now_ms - s->since_ms) / 1000, (now_ms - s->seen_ms) / 1000,
                 gathers ? (int)s->transaction->commands : -1, held.input, held.input_room, transaction_bytes(s),
                 held.pushes, held.output, held.input + held.input_room + held.output + transaction_bytes(s),
                 s->last != NULL ? s->last : "NULL", s->protocol, s->lib_name, s->lib_version);
    return n > 0 ? (size_t)n : 0;
}

/* Which sessions are meant: all those that fulfil every condition. */
struct filter {
    uint32_t first_id; /* arguments from here to end_id are numbers of sessions; 0: any session */
    uint32_t end_id;
    struct span address; /* NULL: any */
    struct span local;
    bool none;     /* a type that nobody is of */
    bool but_self; /* not the one that asks */
};

static bool filter_takes(const struct call *c, const struct filter *f, const struct session *s)
{
    bool takes = f->first_id == 0;
    int64_t id;
    for (uint32_t i = f->first_id; i < f->end_id && !takes; i++) {
        takes = text_number(c->argv[i], &id) && id == (int64_t)s->id;
    }
    return takes && !f->none && same_text(f->address, s->peer) && same_text(f->local, s->local) &&
           !(f->but_self && s == c->session);
}

/* Takes arguments [from, to) as numbers of sessions; replies where they are none. */
static bool filter_ids(struct call *c, struct filter *f, uint32_t from, uint32_t to, const char *error)
{
    int64_t id;
    for (uint32_t i = from; i < to; i++) {
        if (!text_number(c->argv[i], &id) || id < 1) {
            error_text(c, error);
            return false;
        }
    }
    f->first_id = from;
    f->end_id = to;
    return true;
}

static bool filter_type(struct call *c, struct filter *f, struct span type)
{
    f->none = text_is(type, "master") || text_is(type, "replica") || text_is(type, "slave") || text_is(type, "pubsub");
    if (!f->none && !text_is(type, "normal")) {
        reply_error(c->reply, "ERR Unknown client type '%.*s'", (int)(type.len < 64 ? type.len : 64), type.at);
        c->kv->count.total_error_replies++;
        return false;
    }
    return true;
}

/* All lines are one text, so that their length is counted first. */
static void client_list(struct call *c)
{
    char line[LIST_LINE];
    struct filter f = {.first_id = 0};
    const struct session *s;
    size_t total = 0;
    if (c->argc > 3 && text_is(c->argv[2], "id")) {
        if (!filter_ids(c, &f, 3, c->argc, "ERR Invalid client ID")) {
            return;
        }
    } else if (c->argc == 4 && text_is(c->argv[2], "type")) {
        if (!filter_type(c, &f, c->argv[3])) {
            return;
        }
    } else if (c->argc != 2) {
        error_syntax(c);
        return;
    }
    for (uint32_t at = 0; (s = c->kv->session(c->kv, &at)) != NULL; at++) {
        total += filter_takes(c, &f, s) ? session_line(c, s, line) : 0;
    }
    reply_verbatim_head(c->reply, total);
    for (uint32_t at = 0; (s = c->kv->session(c->kv, &at)) != NULL; at++) {
        if (filter_takes(c, &f, s)) {
            reply_raw(c->reply, line, session_line(c, s, line));
        }
    }
    reply_raw(c->reply, "\r\n", 2);
}

/* Reads CLIENT KILL's pairs of condition and value. */
static bool kill_filter(struct call *c, struct filter *f)
{
    f->but_self = true;
    for (uint32_t i = 2; i < c->argc; i += 2) {
        bool more = i + 1 < c->argc;
        bool fine = true;
        if (more && text_is(c->argv[i], "id")) {
            fine = filter_ids(c, f, i + 1, i + 2, "ERR client-id should be greater than 0");
        } else if (more && text_is(c->argv[i], "type")) {
            fine = filter_type(c, f, c->argv[i + 1]);
        } else if (more && text_is(c->argv[i], "addr")) {
            f->address = c->argv[i + 1];
        } else if (more && text_is(c->argv[i], "laddr")) {
            f->local = c->argv[i + 1];
        } else if (more && text_is(c->argv[i], "skipme") &&
                   (text_is(c->argv[i + 1], "yes") || text_is(c->argv[i + 1], "no"))) {
            f->but_self = text_is(c->argv[i + 1], "yes");
        } else {
            error_syntax(c);
            fine = false;
        }
        if (!fine) {
            return false;
        }
    }
    return true;
}

/* With one word it is an address, and the answer is OK; with conditions it is the number of those that ended. */
static void client_kill(struct call *c)
{
    struct filter f = {.address = c->argc == 3 ? c->argv[2] : (struct span){NULL, 0}};
    const struct session *s;
    int64_t ended = 0;
    if (c->argc > 3 && !kill_filter(c, &f)) {
        return;
    }
    for (uint32_t at = 0; (s = c->kv->session(c->kv, &at)) != NULL; at++) {
        if (filter_takes(c, &f, s)) {
            c->kv->end(c->kv, s);
            ended++;
        }
    }
    if (c->argc > 3) {
        reply_number(c->reply, ended);
    } else if (ended == 0) {
        error_text(c, "ERR No such client");
    } else {
        reply_simple(c->reply, "OK");
    }
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

static void client_id(struct call *c)
{
    reply_number(c->reply, (int64_t)c->session->id);
}

static void client_getname(struct call *c)
{
    if (c->session->name[0] != '\0') {
        reply_text(c->reply, c->session->name);
    } else {
        reply_null(c->reply);
    }
}

static void client_setname(struct call *c)
{
    if (set_name(c, c->argv[2], c->session->name, "Client names")) {
        reply_simple(c->reply, "OK");
    }
}

static void client_info(struct call *c)
{
    char line[LIST_LINE];
    size_t len = session_line(c, c->session, line);
    reply_verbatim_head(c->reply, len);
    reply_raw(c->reply, line, len);
    reply_raw(c->reply, "\r\n", 2);
}

/* Connections are never ended for memory that others need, and looks at keys always count. */
static void client_no(struct call *c)
{
    if (text_is(c->argv[2], "on") || text_is(c->argv[2], "off")) {
        reply_simple(c->reply, "OK");
    } else {
        error_syntax(c);
    }
}

void command_client(struct call *c)
{
    static const struct subcommand list[] = {
        {"getname", 2, client_getname, "GETNAME", "Returns the name of this connection."},
        {"id", 2, client_id, "ID", "Returns the number of this connection."},
        {"info", 2, client_info, "INFO", "Returns a line about this connection."},
        {"kill", -3, client_kill, "KILL <addr>|<option> <value> ...",
         "Ends connections: ADDR, LADDR, ID, TYPE, SKIPME (yes|no)."},
        {"list", -2, client_list, "LIST [TYPE <type>|ID <id> ...]", "Returns a line about each connection."},
        {"no-evict", 3, client_no, "NO-EVICT (ON|OFF)", "Accepted: no connection is ended for memory."},
        {"no-touch", 3, client_no, "NO-TOUCH (ON|OFF)", "Accepted without effect."},
        {"setinfo", 4, client_setinfo, "SETINFO LIB-NAME|LIB-VER <text>", "Names the client's library in LIST."},
        {"setname", 3, client_setname, "SETNAME <name>", "Names this connection."},
    };
    subcommand_run(c, "client", list, sizeof(list) / sizeof(list[0]));
}
