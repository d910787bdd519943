/* SPDX-License-Identifier: MIT */
/*
 * Who is served when. A turn is what is done between two looks at the network. It serves what came, one visit to each
 * connection, which ends after VISIT_WORK; what is left then waits in a list. Behind those that came the turn serves
 * this list, the one that waits longest first, up to TURN_WORK; then the network is looked at again. So whoever asks
 * little waits for a visit to each of those that came with it, for TURN_WORK, and for one command: those are never cut.
 *
 * Work is counted in bytes: those of replies, those that were copied, and WORK_OF_WORD for each word of a command.
 *
 * A client that wanted more than a visit is greedy, until all that a pop brought takes less. It is served in the list
 * alone, so that of commands that are long themselves a turn sees one. Its pops wait there, too, for a pop that is
 * complete at once is taken without a look at the network: they begin in every second turn, few at a time.
 */
#include "kv/server.h"

#define VISIT_WORK 8192u  /* of one connection, while others may wait */
#define TURN_WORK  32768u /* of the list, in one turn */
#define LATE_LOOKS 64     /* connections of the list that one turn looks at */

static void count_most(uint64_t *most, uint64_t work)
{
    *most = work > *most ? work : *most;
}

void turn_visit_begin(struct server *s)
{
    s->turn.visit_end = turn_work(s) + VISIT_WORK;
}

void turn_visit_end(struct server *s, struct conn *c)
{
    uint64_t end = turn_work(s);
    count_most(&s->kv.count.most_work_of_visit, end + VISIT_WORK - s->turn.visit_end);
    s->kv.count.visits_cut += c->unserved;
    if (c->unserved || end >= s->turn.visit_end) {
        c->greedy = true;
    } else if (!c->again) {
        c->greedy = false;
    }
    c->again = true;
}

void turn_put_late(struct server *s, struct conn *c)
{
    struct turn *t = &s->turn;
    uint32_t number = (uint32_t)(c - s->conn);
    if (c->queued) {
        return;
    }
    c->queued = true;
    c->next = CONN_NONE;
    c->prev = t->last;
    *(t->last != CONN_NONE ? &s->conn[t->last].next : &t->first) = number;
    t->last = number;
    t->waiting++;
}

void turn_forget(struct server *s, struct conn *c)
{
    struct turn *t = &s->turn;
    if (!c->queued) {
        return;
    }
    c->queued = false;
    *(c->prev != CONN_NONE ? &s->conn[c->prev].next : &t->first) = c->next;
    *(c->next != CONN_NONE ? &s->conn[c->next].prev : &t->last) = c->prev;
    t->waiting--;
}

void turn_offer(struct server *s, struct conn *c)
{
    if (c->greedy) {
        c->unserved = true;
        turn_put_late(s, c);
    } else {
        conn_go_on(s, c);
    }
}

static void serve_late(struct server *s)
{
    struct turn *t = &s->turn;
    bool may_pop = !t->popped;
    uint64_t begin = turn_work(s), pops = 0;
    t->popped = false;
    t->late = true;
    for (uint32_t looks = t->waiting < LATE_LOOKS ? t->waiting : LATE_LOOKS;
         looks > 0 && t->waiting > 0 && turn_work(s) - begin + pops * VISIT_WORK < TURN_WORK; looks--) {
        struct conn *c = &s->conn[t->first];
        assert(c->state == CONN_OPEN);
        turn_forget(s, c);
        if (c->unserved) {
            conn_go_on(s, c);
        } else if (may_pop) {
            t->popped = true;
            pops++;
            conn_pop(s, c);
        } else {
            turn_put_late(s, c);
        }
    }
    t->late = false;
}

void turn_begin(struct server *s)
{
    s->turn.begin = turn_work(s);
}

void turn_end(struct server *s)
{
    if (s->turn.waiting > 0) {
        serve_late(s);
    }
    count_most(&s->kv.count.most_work_of_turn, turn_work(s) - s->turn.begin);
}
