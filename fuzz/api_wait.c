/* SPDX-License-Identifier: MIT */
/* The target api: waiting, polling, cancelling. */
#include "api_fuzz.h"

#include "api/api.h"

#include <demi/ext.h>
#include <demi/wait.h>
#include <errno.h>

#define TOKENS_MAX 40

/* The library says that qr is the result of token t, which ends with it. */
static void take(int t, const demi_qresult_t *qr)
{
    struct token *k = &model.token[t];
    bool back = short_memory && k->opcode == DEMI_OPC_PUSH && k->err == 0 && qr->qr_ret == ENOMEM;

    require(k->state == TOKEN_DONE);
    require(qr->qr_qt == k->qt && qr->qr_qd == k->qd);
    if (back) {
        model_take_back(&model, t);
        k->err = ENOMEM;
    }
    require_equal(qr->qr_ret, k->err);
    require_equal((int)qr->qr_opcode, (int)(k->err == 0 ? k->opcode : DEMI_OPC_FAILED));
    object_pushed(t);
    if (k->opcode == DEMI_OPC_POP && k->err == 0)
        object_popped(&qr->qr_value.sga, &k->content);
    model_end(&model, t);
}

static const struct timespec *of(const struct timeout *t)
{
    return t->null ? NULL : &t->ts;
}

void call_wait(struct input *in)
{
    demi_qtoken_t qt = pick_token(in);
    int t = model_find_token(&model, qt), got;
    bool done = t >= 0 && model.token[t].state == TOKEN_DONE;
    struct timeout timeout = pick_timeout(in, t < 0 || done);
    demi_qresult_t qr;

    got = demi_wait(&qr, qt, of(&timeout));
    expect(got, !up ? ENOSYS : t < 0 ? EINVAL : done ? 0 : timeout.bad ? EINVAL : ETIMEDOUT);
    if (got == 0)
        take(t, &qr);
}

void call_poll(struct input *in)
{
    demi_qtoken_t qt = pick_token(in);
    int t = model_find_token(&model, qt), got;
    demi_qresult_t qr;

    if (next_below(in, 32) == 31) {
        expect(demi_poll(NULL, qt), up ? EINVAL : ENOSYS);
        expect(demi_wait(NULL, qt, NULL), up ? EINVAL : ENOSYS);
        return;
    }
    got = demi_poll(&qr, qt);
    expect(got, !up ? ENOSYS : t < 0 ? EINVAL : model.token[t].state == TOKEN_DONE ? 0 : EAGAIN);
    if (got == 0)
        take(t, &qr);
}

static int pick_tokens(struct input *in, demi_qtoken_t *qts)
{
    uint32_t b = next_byte(in);
    int n = (int)(b < 200 ? b % 6 : b % TOKENS_MAX) + 1;

    for (int i = 0; i < n; i++)
        qts[i] = pick_token(in);
    return n;
}

void call_wait_any(struct input *in)
{
    demi_qtoken_t qts[TOKENS_MAX];
    int n = pick_tokens(in, qts), first = -1, offset = -1, got;
    bool bad = false;
    struct timeout timeout;
    demi_qresult_t qr;

    for (int i = 0; i < n; i++) {
        int t = model_find_token(&model, qts[i]);

        bad |= t < 0;
        if (t >= 0 && model.token[t].state == TOKEN_DONE &&
            (first < 0 || model.token[t].done_at < model.token[first].done_at))
            first = t;
    }
    timeout = pick_timeout(in, bad || first >= 0);
    if (next_below(in, 64) == 63)
        n = (int)next_below(in, 2) - 1;
    got = demi_wait_any(&qr, &offset, qts, n, of(&timeout));
    expect(got, !up ? ENOSYS : n < 1 ? EINVAL : first >= 0 ? 0 : bad || timeout.bad ? EINVAL : ETIMEDOUT);
    if (got != 0)
        return;
    require(offset >= 0 && offset < n && qts[offset] == model.token[first].qt);
    take(first, &qr);
}

static void take_in_order(const demi_qresult_t *qrs, int n)
{
    for (int i = 0; i < n; i++)
        take(model_first_done(&model), &qrs[i]);
}

/* A push that fails for want of memory lets another in, whose result is then there too. */
static void require_results(int got, int want)
{
    require(got == want || (short_memory && got > want));
}

void take_next(int n)
{
    static demi_qresult_t qrs[MODEL_OPS];
    const struct timespec zero = {0, 0};
    int want = (int)model.done_count < n ? (int)model.done_count : n, got_n = -1;

    require(n <= MODEL_OPS);
    expect(demi_wait_next_n(qrs, n, &got_n, &zero), want > 0 ? 0 : ETIMEDOUT);
    require_results(got_n, want);
    take_in_order(qrs, got_n);
}

void call_next(struct input *in)
{
    static demi_qresult_t qrs[MODEL_OPS];
    uint32_t b = next_byte(in);
    int n = b < 200 ? 1 + (int)(b % 4) : (int)(b % (MODEL_OPS + 1)), got_n = -1, got;
    struct timeout timeout = pick_timeout(in, model.done_count > 0);

    got = demi_wait_next_n(qrs, n, &got_n, of(&timeout));
    expect(got, !up ? ENOSYS : n < 1 ? EINVAL : model.done_count > 0 ? 0 : timeout.bad ? EINVAL : ETIMEDOUT);
    if (got != 0) {
        require(n < 1 || !up || got_n == 0);
        return;
    }
    require_results(got_n, (int)model.done_count < n ? (int)model.done_count : n);
    take_in_order(qrs, got_n);
}

void call_wait_all(struct input *in)
{
    demi_qtoken_t qts[TOKENS_MAX];
    demi_qresult_t qrs[TOKENS_MAX];
    int n = pick_tokens(in, qts), got, t[TOKENS_MAX];
    bool bad = false, all = true;
    struct timeout timeout;

    for (int i = 0; i < n; i++) {
        t[i] = model_find_token(&model, qts[i]);
        bad |= t[i] < 0;
        all &= t[i] >= 0 && model.token[t[i]].state == TOKEN_DONE;
        for (int k = 0; k < i; k++)
            bad |= qts[k] == qts[i];
    }
    timeout = pick_timeout(in, bad || all);
    got = demi_wait_all(qrs, qts, n, of(&timeout));
    expect(got, !up ? ENOSYS : bad ? EINVAL : all ? 0 : timeout.bad ? EINVAL : ETIMEDOUT);
    for (int i = 0; got == 0 && i < n; i++)
        take(t[i], &qrs[i]);
}

void call_cancel(struct input *in)
{
    demi_qtoken_t qt = pick_token(in);
    int t = model_find_token(&model, qt);

    expect(demi_cancel(qt), !up ? ENOSYS : t < 0 ? EINVAL : 0);
    if (!up || t < 0)
        return;
    if (model.token[t].opcode == DEMI_OPC_PUSH && model.token[t].state == TOKEN_DONE && model.token[t].err == 0 &&
        ran_out(qt))
        model_take_back(&model, t);
    object_pushed(t);
    model_end(&model, t);
}
