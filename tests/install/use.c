/* SPDX-License-Identifier: MIT */
/* A stranger's program: public headers alone, a message through a memory queue. Prints what it got. */
#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <demi/storage.h>
#include <demi/wait.h>
#include <stdio.h>
#include <string.h>

/* Names that the library may well use inside: linking it must not bring a second definition. */
int sched_wake(void);
int sched_wake(void)
{
    return 1;
}
int sched_init(void);
int sched_init(void)
{
    return 2;
}

static int check(int err, const char *call)
{
    if (err != 0)
        fprintf(stderr, "%s: %s: %s\n", call, demi_strerror(err), demi_last_error());
    return err;
}

int main(void)
{
    static const char text[] = "through the queue";
    const size_t text_len = strlen(text);
    demi_qresult_t result;
    demi_qtoken_t token;
    demi_sgarray_t sga;
    int qd;

    if (check(demi_init(NULL), "demi_init") || check(demi_queue(&qd), "demi_queue"))
        return 1;
    sga = demi_sgaalloc(text_len);
    if (sga.sga_buf == NULL)
        return 1;
    memcpy(sga.sga_segs[0].sgaseg_buf, text, text_len);
    if (check(demi_push(&token, qd, &sga), "demi_push") || check(demi_wait(&result, token, NULL), "demi_wait"))
        return 1;
    if (check(demi_sgafree(&sga), "demi_sgafree") || check(demi_pop(&token, qd), "demi_pop"))
        return 1;
    if (check(demi_wait(&result, token, NULL), "demi_wait") || result.qr_opcode != DEMI_OPC_POP)
        return 1;
    sga = result.qr_value.sga;
    printf("%s %.*s\n", demi_version(), (int)sga.sga_segs[0].sgaseg_len, (const char *)sga.sga_segs[0].sgaseg_buf);
    if (check(demi_sgafree(&sga), "demi_sgafree") || check(demi_close(qd), "demi_close"))
        return 1;
    return check(demi_fini(), "demi_fini") || sched_wake() + sched_init() != 3;
}
