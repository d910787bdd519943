/* SPDX-License-Identifier: MIT */
/* Small PDPIX helpers; see demi_util.h. */
#include "demi_util.h"
#include "args.h"
#include "stop.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

int complain_call(const char *what, int err)
{
    const char *cause = demi_last_error();
    if (cause[0] == '\0') {
        complain("%s: %s", what, demi_strerror(err));
    } else {
        complain("%s: %s (%s)", what, demi_strerror(err), cause);
    }
    return EXIT_FAIL;
}

int complain_operation(const char *what, int64_t qr_ret)
{
    complain("%s: %s", what, demi_strerror((int)qr_ret));
    return EXIT_FAIL;
}

bool demi_begin(int argc, char **argv)
{
    struct demi_args args = {.argc = argc, .argv = argv, .callback = NULL};
    stop_install();
    raise_descriptor_limit();
    int rc = demi_init(&args);
    if (rc != 0) {
        complain_call("cannot start the library", rc);
    }
    return rc == 0;
}

void demi_set_nodelay(int qd)
{
    int on = 1;
    (void)demi_setsockopt(qd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* Steps of demi_bound_socket() on a new socket. Returns the step that failed, or NULL, and its errno. */
static const char *bind_and_listen(int qd, const struct addr *bind_to, int type, int backlog, int *rc)
{
    int on = 1;
    /* A server that was restarted takes its port back; where a libOS has no such option it needs none. */
    (void)demi_setsockopt(qd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    *rc = demi_bind(qd, addr_const_sockaddr(bind_to), bind_to->len);
    if (*rc != 0) {
        return "bind to";
    }
    if (type == SOCK_STREAM) {
        demi_set_nodelay(qd); /* accepted connections inherit it */
        *rc = demi_listen(qd, backlog);
    }
    return *rc != 0 ? "listen on" : NULL;
}

static int open_bound(const struct addr *bind_to, int type, int backlog, bool shared, struct addr *bound)
{
    int on = 1;
    char text[ADDR_TEXT_MAX];
    char what[ADDR_TEXT_MAX + 32];
    int qd = -1;
    int rc = demi_socket(&qd, bind_to->storage.ss_family, type, 0);
    if (rc != 0) {
        complain_call("cannot make a socket", rc);
        return -1;
    }
    if (shared) {
        (void)demi_setsockopt(qd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)); /* a libOS without it needs none */
    }
    const char *step = bind_and_listen(qd, bind_to, type, backlog, &rc);
    if (step == NULL) {
        memset(bound, 0, sizeof(*bound));
        bound->len = sizeof(bound->storage);
        rc = demi_getsockname(qd, addr_sockaddr(bound), &bound->len);
        step = rc != 0 ? "find the port of" : NULL;
    }
    if (step != NULL) {
        snprintf(what, sizeof(what), "cannot %s %s", step, addr_format(bind_to, text, sizeof(text)));
        complain_call(what, rc);
        (void)demi_close(qd);
        return -1;
    }
    return qd;
}

int demi_bound_socket(const struct addr *bind_to, int type, int backlog, struct addr *bound)
{
    return open_bound(bind_to, type, backlog, false, bound);
}

int demi_shared_socket(const struct addr *bind_to, int type, int backlog, struct addr *bound)
{
    return open_bound(bind_to, type, backlog, true, bound);
}

void print_listening(const struct addr *bound)
{
    char text[ADDR_TEXT_MAX];
    printf("listening on %s\n", addr_format(bound, text, sizeof(text)));
    fflush(stdout);
}

bool demi_datagram_source(const demi_sgarray_t *sga, int family, struct addr *out)
{
    if (family == AF_INET) {
        /* The source lies in the array itself, unaligned. */
        memcpy(&out->storage, &sga->sga_addr, sizeof(sga->sga_addr));
        out->len = sizeof(sga->sga_addr);
        return true;
    }
    out->len = sizeof(out->storage);
    return demi_sga_source(sga, addr_sockaddr(out), &out->len) == 0;
}
