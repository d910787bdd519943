/* SPDX-License-Identifier: MIT */
/* From bytes to commands: where they lie, what is carried over; see server.h. */
#include "common/demi_util.h"
#include "kv/server.h"

#include <stdlib.h>

#define CARRY_FIRST   1024u
#define WORDS_AT_ONCE 512u /* a command of more is served behind the others, whoever sends it */

static void drop_popped(struct conn *c)
{
    if (c->popped.sga_numsegs != 0) {
        (void)demi_sgafree(&c->popped);
        c->popped.sga_numsegs = 0;
    }
}

static void drop_carry(struct server *s, struct conn *c)
{
    s->kv.input_bytes -= c->carry_room;
    free(c->carry);
    c->carry = NULL;
    c->carry_at = c->carry_len = c->carry_room = 0;
}

/* Frees the long argument, unless a command took it. */
static void drop_big(struct server *s, struct conn *c)
{
    if (c->big_len > 0) {
        s->kv.input_bytes -= c->big_len;
    }
    if (c->big != NULL) {
        (void)demi_free(c->big);
    }
    c->big = NULL;
    c->big_len = c->big_have = 0;
}

void input_drop(struct server *s, struct conn *c)
{
    drop_popped(c);
    drop_carry(s, c);
    drop_big(s, c);
    resp_fini(&c->resp);
}

/* After a protocol error, or when a bound is reached: the last answer, and then nothing. */
static void refuse(struct server *s, struct conn *c, const char *error)
{
    reply_error(&s->reply, "%s", error);
    s->kv.count.total_error_replies++;
    c->session.quit = true;
}

/* Whether so many more bytes of incomplete commands may be kept; ends the connection where not. */
static bool may_keep(struct server *s, struct conn *c, size_t more, size_t of_carry)
{
    if (s->kv.input_bytes + more <= s->kv.input_max && of_carry <= CARRY_MAX) {
        s->kv.input_bytes += more;
        return true;
    }
    s->kv.count.input_limit_disconnections++;
    refuse(s, c, "ERR too many bytes of incomplete commands");
    return false;
}

/* Puts bytes behind what is carried. */
static bool carry(struct server *s, struct conn *c, const char *bytes, size_t len)
{
    if (len == 0) {
        return true;
    }
    if (c->carry_at > 0) {
        memmove(c->carry, c->carry + c->carry_at, c->carry_len - c->carry_at);
        c->carry_len -= c->carry_at;
        c->carry_at = 0;
    }
    if (c->carry_len + len > c->carry_room) {
        size_t room = c->carry_room == 0 ? CARRY_FIRST : c->carry_room;
        while (room < c->carry_len + len) {
            room *= 2;
        }
        if (!may_keep(s, c, room - c->carry_room, room)) {
            return false;
        }
        char *grown = realloc(c->carry, room);
        if (grown == NULL) {
            s->kv.input_bytes -= room - c->carry_room;
            refuse(s, c, "ERR no memory for the command");
            return false;
        }
        c->carry = grown;
        c->carry_room = room;
    }
    memcpy(c->carry + c->carry_len, bytes, len);
    c->carry_len += len;
    return true;
}

/* Moves as many of the bytes as the long argument lacks into it; returns how many. */
static size_t fill_big(struct conn *c, const char *bytes, size_t len)
{
    size_t lacks = c->big_len + 2 - c->big_have;
    size_t n = len < lacks ? len : lacks;
    memcpy(c->big + c->big_have, bytes, n);
    c->big_have += n;
    return n;
}

static bool big_lacks(const struct conn *c)
{
    return c->big != NULL && !c->resp.has_big;
}

/* The long argument is there: the parser goes on behind it. */
static bool finish_big(struct server *s, struct conn *c)
{
    if (c->big_have < c->big_len + 2) {
        return true;
    }
    if (memcmp(c->big + c->big_len, "\r\n", 2) != 0) {
        s->kv.count.protocol_errors++;
        refuse(s, c, "ERR Protocol error: expected CRLF behind a bulk string");
        return false;
    }
    if (!resp_take_big(&c->resp)) {
        refuse(s, c, "ERR no memory for the command");
        return false;
    }
    return true;
}

/*
 * The command in [data, data + len) is not complete and all that came is in there: it is carried over, but for a long
 * argument that begins in it. `carried` tells that it lies in the carry already.
 */
static bool keep_incomplete(struct server *s, struct conn *c, const char *data, size_t len, bool carried)
{
    size_t big = resp_big(&c->resp, BIG_ARG_MIN);
    size_t keep = big > 0 ? c->resp.pos : len;
    if (!carried && !carry(s, c, data, keep)) {
        return false;
    }
    if (big == 0) {
        return true;
    }
    if (!may_keep(s, c, big, 0)) {
        return false;
    }
    c->big = store_malloc(&s->kv.store, big + 2);
    c->big_len = big;
    if (c->big == NULL) {
        refuse(s, c, "ERR no memory for the command");
        return false;
    }
    (void)fill_big(c, data + keep, len - keep); /* less than all of it: else the command would have gone on */
    if (carried) {
        c->carry_len = (size_t)(data - c->carry) + keep;
    }
    return finish_big(s, c);
}

static void run(struct server *s, struct conn *c, const char *data)
{
    struct resp *p = &c->resp;
    struct call call = {.kv = &s->kv,
                        .session = &c->session,
                        .reply = &s->reply,
                        .argc = p->have,
                        .argv = s->argv,
                        .big = c->big,
                        .big_room = c->big_len};
    if (p->have > 0) {
        for (uint32_t i = 0; i < p->have; i++) {
            bool is_big = p->arg[i].offset == RESP_BIG;
            s->argv[i] = (struct span){is_big ? c->big : data + p->arg[i].offset, p->arg[i].len};
        }
        command_run(&call);
    }
    if (p->has_big) {
        c->big = call.big;
        drop_big(s, c);
    }
    resp_next(p);
}

/*
 * Takes what was popped into the long argument, and a part of it behind what is carried: as much as that is, for all of
 * it may be many commands, which need no copy. Returns the bytes that went behind, or -1: the connection ends.
 */
static ssize_t gather(struct server *s, struct conn *c)
{
    const char *bytes = c->popped.sga_segs[0].sgaseg_buf;
    uint32_t len = c->popped.sga_segs[0].sgaseg_len, behind = 0;
    s->kv.work -= c->popped_at;
    if (big_lacks(c)) {
        c->popped_at += (uint32_t)fill_big(c, bytes + c->popped_at, len - c->popped_at);
        if (!finish_big(s, c)) {
            return -1;
        }
    }
    if (!big_lacks(c)) {
        size_t step = c->carry_len - c->carry_at > CARRY_FIRST ? c->carry_len - c->carry_at : CARRY_FIRST;
        behind = len - c->popped_at < step ? len - c->popped_at : (uint32_t)step;
        if (!carry(s, c, bytes + c->popped_at, behind)) {
            return -1;
        }
        c->popped_at += behind;
    }
    s->kv.work += c->popped_at;
    if (c->popped_at == len) {
        drop_popped(c);
    }
    return behind;
}

/* Serves commands of one run of bytes; *used are those that were dealt with. false: stop, for now or for ever. */
static bool serve_run(struct server *s, struct conn *c, char *data, size_t len, size_t *used, bool carried)
{
    *used = 0;
    if (c->pushes >= OUT_PUSHES_MAX || c->out_bytes > OUT_BYTES_MAX) { /* a visit adds little, or one command's */
        (void)reply_flush(&s->reply);
        c->held = true;
        s->kv.count.reads_held_back++;
        return false;
    }
    while (*used < len) {
        if (turn_visit_over(s)) {
            c->unserved = true;
            return false;
        }
        enum resp_result r = resp_parse(&c->resp, data + *used, len - *used);
        if (r == RESP_MORE) {
            bool going_on = keep_incomplete(s, c, data + *used, len - *used, carried);
            *used = carried ? *used : len;
            return going_on;
        }
        if (r == RESP_BAD) {
            s->kv.count.protocol_errors++;
            refuse(s, c, c->resp.error);
            return false;
        }
        if (c->resp.want > WORDS_AT_ONCE && !s->turn.late) {
            c->unserved = true;
            return false;
        }
        uint32_t command_len = c->resp.pos;
        run(s, c, data + *used);
        *used += command_len;
        if (c->session.quit || s->reply.broken) {
            return false;
        }
    }
    return true;
}

/* The next command begins among the last so many bytes that are carried, and those were popped: it goes on there. */
static void give_back(struct server *s, struct conn *c, size_t popped)
{
    size_t carried = c->carry_len - c->carry_at;
    if (c->popped.sga_numsegs != 0 && c->big == NULL && carried <= popped) {
        c->popped_at -= (uint32_t)carried;
        drop_carry(s, c);
    }
}

/* Serves what is carried, with what was popped behind it; gathered: not all is served that is there of it already. */
static bool serve_carried(struct server *s, struct conn *c, bool gathered)
{
    size_t used;
    while (c->carry_len > c->carry_at || c->big != NULL) {
        ssize_t behind = c->popped.sga_numsegs != 0 && !gathered ? gather(s, c) : 0;
        gathered = false;
        if (behind < 0) {
            return false;
        }
        if (big_lacks(c)) {
            return true;
        }
        bool going_on = serve_run(s, c, c->carry + c->carry_at, c->carry_len - c->carry_at, &used, true);
        c->carry_at += used;
        if (c->carry_at >= c->carry_len) {
            drop_carry(s, c);
        }
        if (!going_on) {
            return false;
        }
        give_back(s, c, (size_t)behind);
        if (c->popped.sga_numsegs == 0) {
            return true;
        }
    }
    return true;
}

void input_serve(struct server *s, struct conn *c)
{
    size_t used;
    c->held = c->unserved = false;
    turn_visit_begin(s);
    s->at = c;
    s->reply.broken = false;
    s->reply.protocol = c->session.protocol;
    bool going_on = serve_carried(s, c, c->again);
    while (going_on && c->popped.sga_numsegs != 0 && !big_lacks(c) && c->carry_len == c->carry_at) {
        char *bytes = c->popped.sga_segs[0].sgaseg_buf;
        size_t len = c->popped.sga_segs[0].sgaseg_len - c->popped_at;
        going_on = serve_run(s, c, bytes + c->popped_at, len, &used, false);
        c->popped_at += (uint32_t)used;
        if (c->popped_at == c->popped.sga_segs[0].sgaseg_len) {
            drop_popped(c);
        }
    }
    (void)reply_flush(&s->reply);
    turn_visit_end(s, c);
    s->at = NULL;
}
