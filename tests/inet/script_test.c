/* SPDX-License-Identifier: MIT */
/*
 * Runs text scripts against the stack: usage: test-inet_script [FILE...], else all of tests/inet/script. Each script of
 * a file is a test. A script is a line "= name: RFC section" and the lines up to the next one; # begins a comment. Time
 * stands still but for "+" and "quiet". The host is 10.0.0.1, fd00::1; the peer 10.0.0.9, fd00::9; a gateway .254,
 * ::fe.
 *
 * Before anything else:
 *   config NAME N          a field of struct inet_config or struct tcp_config; times in milliseconds
 *   ipv6                   TCP's segments go over IPv6
 *   strangers              the host does not know the peer's and the gateway's link address
 *   offload [tso]          the device completes checksums [and cuts what is larger than a segment]
 *   loud                   what the host says about its addresses when it begins is not hidden
 * TCP:
 *   < FLAGS SEQ[+LEN] [ack N] [win N] [tos N] [from PORT] [to PORT] [times N] [OPTIONS]   the peer sends a segment:
 *                          flags of SFRPUEC and "." for ACK; times: so many, one behind the other
 *   > the same             the oldest frame that the host sent is this segment; "only": and has no other option
 *     OPTIONS: mss N, ws N, sackok, ts VALUE ECHO (">": * is any), sack FROM-TO ..., uto N
 *     SEQ of each side and its acknowledgement count from that side's SYN, which is 0
 *   icmp TYPE CODE seq N [mtu N]  a router reports about the host's segment with sequence number N
 *   listen [N] | unlisten | connect [ADDR] [= errno] | accept [none] | send N [= N or errno]
 *   read [= eof, again or errno] | want N | got N | close | abort | shutdown | deaf | set OPTION N [= errno]
 *   connected [errno] | ended [errno] | going | state NAME | info NAME N
 * Frames:
 *   in LAYER [FIELD VALUE ...] / ...    a frame arrives: layers and fields of script_frame.c, "data N [from K]",
 *                          "hex BYTES", "pad N"; Ethernet goes without saying. A message that begins here and is N
 *                          bytes in all has a field "whole N": its checksum is right for the pattern going on
 *   out LAYER [FIELD VALUE ...] / ...   the oldest frame that the host sent has these; "end": and nothing behind them
 * UDP: udp N (0 to 3) with bind ADDR PORT | connect ADDR PORT | send LEN [to ADDR PORT] | got LEN [from ADDR PORT]
 *   [at ADDR] | none | queue | failed [errno] | dropped N | close; calls with [= errno]
 * The rest:
 *   nothing                the host sent nothing (more)
 *   +N ns|us|ms|s          time passes; all that was sent before must have been looked at
 *   quiet N ns|us|ms|s     the same, and nothing is sent in it
 *   repeat N ... end       the lines between are played N times; "{i}", "{i*K+M}" in them count from 0
 *   addr [-] A/BITS | route [-] A/BITS GATEWAY | neigh ADDR MAC   with [= errno]
 *   poll                   what the host sent to itself arrives
 *   fail N | full N        the Nth allocation fails; the device takes none of the next N frames
 *   count COUNTER N        of counters_inet.h, counters_tcp.h
 */
#include "script.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>

#define SCRIPTS_MAX 800
#define FILES_MAX   128

static struct play now;

/* ---- time, and what routers say ---- */

static void nothing(struct play *p)
{
    struct host *h;

    script_begin(p);
    h = p->th->h;
    if (h->first == h->last)
        return;
    p->frame = &h->sent[h->first % SENT_MAX];
    PLAY_FAIL(p, "the host's frames" EXPECTED("none", "%u"), h->last - h->first);
}

static void pass(struct play *p, const char *amount, bool quiet)
{
    uint64_t ns = script_time(p, amount), end;
    struct host *h;

    nothing(p);
    h = p->th->h;
    end = h->in->env.now_ns + ns;
    while (h->in->env.now_ns < end) {
        uint64_t next = timer_next_ns(&h->wheel);

        host_at(h, next < end && next > h->in->env.now_ns ? next : end);
        if (quiet && h->first != h->last) {
            p->frame = &h->sent[h->first % SENT_MAX];
            PLAY_FAIL(p, "silence" EXPECTED("%llu us", "%llu us"), (unsigned long long)ns / 1000,
                      (unsigned long long)(ns - (end - h->in->env.now_ns)) / 1000);
        }
    }
}

/* A report about a segment of the host to the peer, which it quotes with eight bytes. */
static void icmp(struct play *p)
{
    uint32_t type = script_number(p), code = script_number(p), seq, mtu = 0;
    char line[LINE_TEXT];

    if (!script_take(p, "seq"))
        PLAY_FAIL(p, "icmp: seq is missing");
    seq = script_number(p);
    if (script_take(p, "mtu"))
        mtu = script_number(p);
    snprintf(line, sizeof(line), "%s type %u code %u mtu %u / %s / tcp sport hostport dport %u seq %u",
             p->v6 ? "ip6 / icmp6" : "ip4 / icmp", type, code, mtu, p->v6 ? "ip6 len 20" : "ip4 len 40", PEER_PORT,
             seq);
    p->words = p->at = 0;
    for (char *save = NULL, *w = strtok_r(line, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
        p->word[p->words++] = w;
    script_frame_in(p);
}

static void play_line(struct play *p)
{
    const char *word = script_word(p);

    p->frame = NULL;
    if (strcmp(word, "<") == 0)
        script_inject(p);
    else if (strcmp(word, ">") == 0)
        script_expect(p);
    else if (strcmp(word, "in") == 0)
        script_frame_in(p);
    else if (strcmp(word, "out") == 0)
        script_frame_out(p);
    else if (strcmp(word, "nothing") == 0)
        nothing(p);
    else if (strcmp(word, "quiet") == 0)
        pass(p, script_word(p), true);
    else if (word[0] == '+')
        pass(p, word + 1, false);
    else if (strcmp(word, "icmp") == 0)
        icmp(p);
    else if (!script_config(p, word) && !script_check(p, word) && !script_udp_call(p, word) &&
             !script_inet_call(p, word) && !script_tcp_call(p, word))
        PLAY_FAIL(p, "\"%s\" is no statement", word);
    if (p->at < p->words)
        PLAY_FAIL(p, "\"%s\" is too much", p->word[p->at]);
}

/* ---- scripts ---- */

/* "{i}", "{i*K}", "{i+M}", "{i*K+M}" become numbers; i: how often the lines of a repetition were played before. */
static void fill_in(struct play *p, const char *line, size_t len, unsigned i)
{
    size_t n = 0;

    while (len > 0 && n + 12 < sizeof(p->text)) {
        unsigned times = 1, plus = 0;
        int used = 0;

        if (*line != '{') {
            p->text[n++] = *line++;
            len--;
            continue;
        }
        if (sscanf(line, "{i*%u+%u}%n", &times, &plus, &used) < 2 || used == 0)
            plus = 0;
        if (used == 0 && sscanf(line, "{i*%u}%n", &times, &used) < 1)
            times = 1;
        if (used == 0)
            sscanf(line, "{i+%u}%n", &plus, &used);
        if (used == 0 && strncmp(line, "{i}", 3) == 0)
            used = 3;
        if (used == 0)
            PLAY_FAIL(p, "a brace that says nothing");
        n += (size_t)snprintf(p->text + n, 12, "%u", i * times + plus);
        line += used;
        len -= (size_t)used;
    }
    if (len > 0)
        PLAY_FAIL(p, "the line is too long");
    p->text[n] = '\0';
}

static void split(struct play *p, const char *line, size_t len, unsigned i)
{
    char *save = NULL;

    fill_in(p, line, len, i);
    p->text[strcspn(p->text, "#")] = '\0';
    memcpy(p->shown, p->text, sizeof(p->shown));
    p->words = p->at = 0;
    for (char *w = strtok_r(p->text, " ", &save); w != NULL && p->words < WORDS_MAX; w = strtok_r(NULL, " ", &save))
        p->word[p->words++] = w;
}

/* "repeat N" and "end": what stands between is played N times. Such lines do not nest. */
static void play_lines(struct play *p, const char *line)
{
    const char *again = NULL;
    unsigned left = 0, first = 0, i = 0;

    for (; *line != '\0' && *line != '='; p->line++) {
        size_t len = strcspn(line, "\n");

        split(p, line, len, i);
        line += len + (line[len] == '\n');
        if (p->words == 2 && strcmp(p->word[0], "repeat") == 0) {
            left = script_number_of(p, p->word[1]);
            again = line;
            first = p->line;
            i = 0;
        } else if (p->words == 1 && strcmp(p->word[0], "end") == 0 && left > 0) {
            i++;
            if (--left > 0) {
                line = again;
                p->line = first;
            }
        } else if (p->words > 0) {
            play_line(p);
        }
    }
}

static void play(void **state)
{
    const struct script *script = *state;
    struct play *p = &now;

    *p = (struct play){.script = script, .line = script->line};
    inet_config_defaults(&p->inet);
    tcp_config_defaults(&p->cfg);
    p->cfg.conns = 64;
    play_lines(p, script->text);
    snprintf(p->shown, sizeof(p->shown), "the end");
    p->frame = NULL;
    nothing(p);
    script_end(p);
    p->done = true;
}

/* A script that failed elsewhere than in a statement's own comparison says where it was, too. */
static int clean_up(void **state)
{
    (void)state;
    if (now.done)
        return 0;
    script_where(&now);
    if (now.th != NULL) {
        now.th->h->full = 0;
        script_end(&now);
    }
    return 0;
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

/* "folder/file.txt" of a path. */
static const char *short_name(const char *path)
{
    const char *name = path;
    unsigned slashes = 0;

    for (const char *c = path + strlen(path); c > path; c--)
        if (*c == '/' && ++slashes == 2) {
            name = c + 1;
            break;
        }
    return name;
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
            s->file = short_name(file);
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

    snprintf(pattern, sizeof(pattern), "%s/tests/inet/script/*/*.txt", source == NULL ? "." : source);
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
        tests[i] = (struct CMUnitTest){
            .name = scripts[i].name, .test_func = play, .teardown_func = clean_up, .initial_state = &scripts[i]};
    failed = _cmocka_run_group_tests("scripts", tests, n, NULL, NULL);
    for (int i = 1; i < argc; i++)
        free(texts[i]);
    globfree(&files);
    return failed > 0 || n == 0;
}
