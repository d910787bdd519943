/* SPDX-License-Identifier: MIT */
/*
 * TCP's header parser on arbitrary bytes. It reads nothing beyond them; what it accepts can be written and is then read
 * as the same, as far as the writer has room for all options at once.
 */
#include "inet/tcp_wire.h"

#include "fuzz.h"

static void require_same(const struct tcp_seg *a, const struct tcp_seg *b)
{
    require_equal(b->seq, a->seq);
    require_equal(b->ack, a->ack);
    require_equal(b->src_port, a->src_port);
    require_equal(b->dst_port, a->dst_port);
    require_equal(b->flags, a->flags);
    require_equal(b->window, a->window);
    require_equal(b->opts, a->opts);
    require((a->opts & TCP_OPT_MSS) == 0 || a->mss == b->mss);
    require((a->opts & TCP_OPT_WSCALE) == 0 || a->wscale == b->wscale);
    require((a->opts & TCP_OPT_TS) == 0 || (a->ts_val == b->ts_val && a->ts_ecr == b->ts_ecr));
    require((a->opts & TCP_OPT_USER_TIMEOUT) == 0 || a->user_timeout == b->user_timeout);
    require(b->sack_count <= a->sack_count);
    require(memcmp(a->sack, b->sack, b->sack_count * sizeof(a->sack[0])) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size > 0 ? size : 1), out[TCP_HEADER_MAX];
    struct tcp_seg s, again;

    require(bytes != NULL);
    memcpy(bytes, data, size);
    if (tcp_parse(bytes, size, &s) == TCP_PARSE_OK) {
        unsigned len;

        require(s.header_bytes >= TCP_HEADER_MIN && s.header_bytes <= TCP_HEADER_MAX);
        require_equal(s.header_bytes + s.data_len, (long long)size);
        require(s.sack_count <= TCP_SACK_MAX);
        require((s.opts & TCP_OPT_WSCALE) == 0 || s.wscale <= TCP_WSCALE_MAX);
        len = tcp_write(out, &s);
        require(len <= TCP_HEADER_MAX);
        require_equal(tcp_parse(out, len, &again), TCP_PARSE_OK);
        if ((s.opts & TCP_OPT_SACK) != 0 && (again.opts & TCP_OPT_SACK) == 0)
            s.opts &= (uint8_t)~TCP_OPT_SACK; /* no room beside the others */
        require_same(&s, &again);
    }
    free(bytes);
    return 0;
}
