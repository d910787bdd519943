/* SPDX-License-Identifier: MIT */
/*
 * Runs text scripts against the stack: usage: test-inet_script [FILE...], else all
 * of tests/inet/script. Each script of a file is a test. A script is a
 * line "= name: RFC section" and the lines up to the next one; # begins a comment. Time stands still but for "+".
 *
 *   < FLAGS SEQ[+LEN] [ack N] [win N] [OPTIONS]   the peer sends a segment: flags of SFRPUEC and "." for ACK
 *   > FLAGS SEQ[+LEN] [ack N] [win N] [OPTIONS]   the oldest segment that the host sent is this one
 *     OPTIONS: mss N, ws N, sackok, ts VALUE ECHO (">": * is any), sack FROM-TO ...
 *     SEQ of each side and its acknowledgement count from that side's SYN, which is 0
 *   nothing                     the host sent nothing (more)
 *   +N ns|us|ms|s               time passes; all that was sent before must have been looked at
 *   icmp TYPE CODE seq N [mtu N]  a router reports about the host's segment with sequence number N
 *   listen | connect | accept [none] | send N [= N or errno] | read [= eof, again or errno] | want N | got N
 *   close | abort | shutdown | set OPTION N | connected [errno] | ended [errno] | state NAME | count COUNTER N
 *   config NAME N               before anything else: a field of struct tcp_config
 */
#include "script.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>

#define SCRIPTS_MAX 400
#define FILES_MAX   64

/* ---- the host ---- */

void script_begin(struct play *p)
{
    if (p->th != NULL)
        return;
    p->th = tcp_host_new(1, &p->cfg);
    p->host_port = HOST_PORT;
}

static struct sock *need_sock(struct play *p)
{
    if (p->s == NULL)
        PLAY_FAIL(p, "there is no connection yet");
    return p->s;
}

static void config(struct play *p)
{
    static const struct {
        const char *name;
        size_t offset, size;
        uint64_t unit;
    } fields[] = {
#define FIELD(name, unit) {#name, offsetof(struct tcp_config, name), sizeof(((struct tcp_config *)0)->name), unit}
        FIELD(sndbuf, 1),
        FIELD(rcvbuf, 1),
        FIELD(rcvbuf_max, 1),
        FIELD(initial_segments, 1),
        FIELD(ecn, 1),
        FIELD(timestamps, 1),
        FIELD(sack, 1),
        FIELD(half_open, 1),
        FIELD(rto_min_ns, NS_PER_MS),
        FIELD(delack_ns, NS_PER_MS),
        FIELD(time_wait_ns, NS_PER_MS),
        FIELD(connect_ns, NS_PER_MS),
        FIELD(user_timeout_ns, NS_PER_MS),
        FIELD(fin_wait_ns, NS_PER_MS),
        FIELD(keep_idle_ns, NS_PER_MS),
        FIELD(keep_interval_ns, NS_PER_MS),
        FIELD(keep_count, 1),
#undef FIELD
    };
    const char *name = script_word(p);

    for (unsigned i = 0; i < ARRAY_LEN(fields); i++)
        if (strcmp(fields[i].name, name) == 0) {
            uint64_t v = script_number(p) * fields[i].unit;

            memcpy((char *)&p->cfg + fields[i].offset, &v, fields[i].size); /* little-endian: the low bytes */
            return;
        }
    PLAY_FAIL(p, "\"%s\" is no field of the configuration", name);
}

/* ---- time, and what routers say ---- */

static void nothing(struct play *p)
{
    struct tcp_seg got;

    script_begin(p);
    if (peer_take(p->th, &got, NULL))
        PLAY_FAIL(p, "the host sent flags %02x seq %u ack %u, %u bytes", got.flags, got.seq - p->iss,
                  got.ack - PEER_ISN, got.data_len);
}

static void pass(struct play *p, const char *amount)
{
    const char *unit = script_word(p);
    uint64_t ns = script_number_of(p, amount), end;

    ns *= strcmp(unit, "s") == 0 ? NS_PER_S : strcmp(unit, "ms") == 0 ? NS_PER_MS : strcmp(unit, "us") == 0 ? 1000 : 1;
    nothing(p);
    end = p->th->h->in->env.now_ns + ns;
    while (p->th->h->in->env.now_ns < end) {
        uint64_t next = timer_next_ns(&p->th->h->wheel);

        host_at(p->th->h, next < end && next > p->th->h->in->env.now_ns ? next : end);
    }
}

static void icmp(struct play *p)
{
    uint8_t type = (uint8_t)script_number(p), code = (uint8_t)script_number(p);
    uint8_t m[8 + 28] = {type, code, [8] = 0x45, [11] = 40, [16] = 64, [17] = IPPROTO_TCP};
    struct packet frame;
    uint16_t sum;

    memcpy(m + 20, p->th->h->addr.b + 12, 4);
    memcpy(m + 24, (const uint8_t[]){10, 0, 0, PEER}, 4);
    put16(m + 28, p->host_port);
    put16(m + 30, PEER_PORT);
    if (!script_take(p, "seq"))
        PLAY_FAIL(p, "icmp: seq is missing");
    put32(m + 32, p->iss + script_number(p));
    if (script_take(p, "mtu"))
        put16(m + 6, (uint16_t)script_number(p));
    sum = checksum_finish(checksum_add(0, m, sizeof(m)));
    memcpy(m + 2, &sum, 2);
    put_eth(&frame, 1, PEER, 0x0800);
    put_ip4(&frame, 1, PEER, 1, sizeof(m), 1, 0);
    put_bytes(&frame, m, sizeof(m));
    host_in(p->th->h, frame.b, frame.len);
}

/* ---- calls ---- */

static void call_send(struct play *p)
{
    uint32_t len = script_number(p);
    int64_t did = sock_send(p->th, need_sock(p), len), want = len;

    if (script_take(p, "=")) {
        const char *word = script_word(p);

        want = word[0] == 'E' ? -script_errno(p, word) : (int64_t)script_number_of(p, word);
    }
    if (did != want)
        PLAY_FAIL(p, "send says %lld and not %lld", (long long)did, (long long)want);
}

static void call_read(struct play *p)
{
    int64_t did = sock_read(need_sock(p), p->th), want = -EAGAIN;

    if (script_take(p, "=")) {
        const char *word = script_word(p);

        want = strcmp(word, "eof") == 0 ? 0 : strcmp(word, "again") == 0 ? -EAGAIN : -script_errno(p, word);
    }
    if (did != want)
        PLAY_FAIL(p, "the last read says %lld and not %lld", (long long)did, (long long)want);
}

static void call_set(struct play *p)
{
    static const char *const names[] = {
#define NAME(name, what) #name,
        TCP_OPTION_LIST(NAME)
#undef NAME
    };
    const char *name = script_word(p);

    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i], name) == 0) {
            char *end;

            assert_int_equal(tcp_set_option(need_sock(p)->c, (enum tcp_option)i, strtoll(script_word(p), &end, 0)), 0);
            return;
        }
    PLAY_FAIL(p, "\"%s\" is no option", name);
}

static void call_accept(struct play *p)
{
    bool none = script_take(p, "none");
    struct sock *s = sock_accept(p->th);

    if ((s == NULL) != none)
        PLAY_FAIL(p, "accept found %s", s == NULL ? "nothing" : "a connection");
    if (s != NULL)
        p->s = s;
}

static void call_connect(struct play *p)
{
    struct inet_addr peer = INET_ADDR4(10, 0, 0, PEER);

    script_begin(p);
    p->s = sock_connect(p->th, &peer, PEER_PORT);
}

static void check_told(struct play *p, const char *what, unsigned times, int err)
{
    int want = p->at < p->words ? script_errno(p, script_word(p)) : 0;

    if (times == 0)
        PLAY_FAIL(p, "nobody was told \"%s\"", what);
    if (err != want)
        PLAY_FAIL(p, "\"%s\" came with errno %d and not %d", what, err, want);
}

static void check_state(struct play *p)
{
    static const char *const names[] = {"CLOSED",      "LISTEN",     "SYN_SENT",   "SYN_RECEIVED",
                                        "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT",
                                        "CLOSING",     "LAST_ACK",   "TIME_WAIT"};
    const char *want = script_word(p);
    struct tcp_info info;

    tcp_get_info(need_sock(p)->c, &info);
    if (strcmp(names[info.state], want) != 0)
        PLAY_FAIL(p, "the state is %s and not %s", names[info.state], want);
}

static void check_count(struct play *p)
{
    const char *name = script_word(p);

    for (unsigned i = 0; i < COUNTER_MAX; i++)
        if (strcmp(counter_name((enum counter)i), name) == 0) {
            COMPARE(p, name, p->th->h->count[i], script_number(p));
            return;
        }
    PLAY_FAIL(p, "\"%s\" is no counter", name);
}

static void let_go(struct play *p, bool abort)
{
    struct sock *s = need_sock(p);

    p->s = NULL;
    if (abort)
        sock_abort(s);
    else
        sock_close(s);
}

static bool play_call(struct play *p, const char *word)
{
    if (strcmp(word, "listen") == 0) {
        script_begin(p);
        tcp_host_listen(p->th, HOST_PORT, 16);
    } else if (strcmp(word, "connect") == 0) {
        call_connect(p);
    } else if (strcmp(word, "accept") == 0) {
        call_accept(p);
    } else if (strcmp(word, "send") == 0) {
        call_send(p);
    } else if (strcmp(word, "read") == 0) {
        call_read(p);
    } else if (strcmp(word, "want") == 0) {
        need_sock(p)->want = script_number(p);
    } else if (strcmp(word, "got") == 0) {
        sock_expect(need_sock(p), script_number(p));
    } else if (strcmp(word, "close") == 0 || strcmp(word, "abort") == 0) {
        let_go(p, word[0] == 'a');
    } else if (strcmp(word, "shutdown") == 0) {
        assert_int_equal(tcp_shutdown(need_sock(p)->c), 0);
    } else if (strcmp(word, "set") == 0) {
        call_set(p);
    } else {
        return false;
    }
    return true;
}

static void play_line(struct play *p)
{
    const char *word = script_word(p);

    if (strcmp(word, "config") == 0)
        config(p);
    else if (strcmp(word, "<") == 0)
        script_inject(p);
    else if (strcmp(word, ">") == 0)
        script_expect(p);
    else if (strcmp(word, "nothing") == 0)
        nothing(p);
    else if (word[0] == '+')
        pass(p, word + 1);
    else if (strcmp(word, "icmp") == 0)
        icmp(p);
    else if (strcmp(word, "connected") == 0)
        check_told(p, word, need_sock(p)->connected, p->s->connect_err);
    else if (strcmp(word, "ended") == 0)
        check_told(p, word, need_sock(p)->ended, p->s->end_err);
    else if (strcmp(word, "state") == 0)
        check_state(p);
    else if (strcmp(word, "count") == 0)
        check_count(p);
    else if (!play_call(p, word))
        PLAY_FAIL(p, "\"%s\" is no statement", word);
    if (p->at < p->words)
        PLAY_FAIL(p, "\"%s\" is too much", p->word[p->at]);
}

/* ---- scripts ---- */

static void split(struct play *p, const char *line, size_t len)
{
    char *save = NULL;

    if (len >= sizeof(p->text))
        PLAY_FAIL(p, "the line is too long");
    memcpy(p->text, line, len);
    p->text[len] = '\0';
    p->text[strcspn(p->text, "#")] = '\0';
    p->words = p->at = 0;
    for (char *w = strtok_r(p->text, " ", &save); w != NULL && p->words < WORDS_MAX; w = strtok_r(NULL, " ", &save))
        p->word[p->words++] = w;
}

static void play(void **state)
{
    const struct script *script = *state;
    struct play p = {.script = script, .line = script->line};

    tcp_config_defaults(&p.cfg);
    p.cfg.conns = 64;
    for (const char *line = script->text; *line != '\0' && *line != '='; p.line++) {
        size_t len = strcspn(line, "\n");

        split(&p, line, len);
        if (p.words > 0)
            play_line(&p);
        line += len + (line[len] == '\n');
    }
    nothing(&p);
    if (p.s != NULL)
        sock_abort(p.s);
    tcp_host_free(p.th);
}

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "re");
    char *text = calloc(1, 1 << 20);

    if (f == NULL || text == NULL || fread(text, 1, (1 << 20) - 1, f) == 0) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    fclose(f);
    return text;
}

/* The scripts of a text; each heading names an RFC and its section. */
static unsigned find_scripts(const char *file, const char *text, struct script *scripts, unsigned max)
{
    unsigned n = 0, number = 1;

    for (const char *line = text; *line != '\0'; number++) {
        size_t len = strcspn(line, "\n");
        const char *next = line + len + (line[len] == '\n');

        if (line[0] == '=') {
            struct script *s = &scripts[n++];

            if (n > max || len < 4 || len >= sizeof(s->name) || memmem(line, len, ": RFC ", 6) == NULL) {
                fprintf(stderr, "%s:%u: a heading is \"= name: RFC number section\"\n", file, number);
                exit(1);
            }
            memcpy(s->name, line + 2, len - 2);
            s->file = strrchr(file, '/') != NULL ? strrchr(file, '/') + 1 : file;
            s->line = number + 1;
            s->text = next;
        }
        line = next;
    }
    return n;
}

int main(int argc, char **argv)
{
    static struct script scripts[SCRIPTS_MAX];
    static struct CMUnitTest tests[SCRIPTS_MAX];
    const char *source = getenv("CARACAL_SOURCE_DIR");
    glob_t files = {0};
    char pattern[512], *texts[FILES_MAX];
    unsigned n = 0;
    int failed;

    snprintf(pattern, sizeof(pattern), "%s/tests/inet/script/*.txt", source == NULL ? "." : source);
    if (argc == 1 && glob(pattern, 0, NULL, &files) == 0) {
        argv = files.gl_pathv - 1;
        argc = (int)files.gl_pathc + 1;
    }
    if (argc < 2 || argc > FILES_MAX) {
        fprintf(stderr, "usage: test-inet_script FILE...\n");
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        texts[i] = read_file(argv[i]);
        n += find_scripts(argv[i], texts[i], scripts + n, SCRIPTS_MAX - n);
    }
    for (unsigned i = 0; i < n; i++)
        tests[i] = (struct CMUnitTest){.name = scripts[i].name, .test_func = play, .initial_state = &scripts[i]};
    failed = _cmocka_run_group_tests("scripts", tests, n, NULL, NULL);
    for (int i = 1; i < argc; i++)
        free(texts[i]);
    globfree(&files);
    return failed > 0 || n == 0;
}
