/* SPDX-License-Identifier: MIT */
/* A script that is played: see script_test.c. */
#ifndef TESTS_INET_SCRIPT_H
#define TESTS_INET_SCRIPT_H

#include "tcp_rig.h"

#define WORDS_MAX 32
#define LINE_TEXT 200

struct script {
    char name[120];
    const char *file;
    unsigned line;    /* of its first statement */
    const char *text; /* up to the next script's heading */
};

struct play {
    const struct script *script;
    unsigned line;
    struct tcp_config cfg;
    struct tcp_host *th;
    struct sock *s;
    uint32_t iss; /* of the host, once its SYN was seen */
    bool have_iss;
    uint16_t host_port;
    char *word[WORDS_MAX];
    unsigned words, at;
    char text[LINE_TEXT];
};

#define PLAY_FAIL(p, ...)                                                                                              \
    do {                                                                                                               \
        print_error("%s:%u: ", (p)->script->file, (p)->line);                                                          \
        fail_msg(__VA_ARGS__);                                                                                         \
    } while (0)

#define COMPARE(p, what, got, want)                                                                                    \
    do {                                                                                                               \
        if ((got) != (want))                                                                                           \
            PLAY_FAIL(p, "%s is %u and not %u", what, (unsigned)(got), (unsigned)(want));                              \
    } while (0)

/* The next word of the line, "" at its end; is it this one, then it is taken; as numbers and names of errors. */
const char *script_word(struct play *p);
bool script_take(struct play *p, const char *word);
uint32_t script_number(struct play *p);
uint32_t script_number_of(struct play *p, const char *text);
int script_errno(struct play *p, const char *name);

/* Makes the host, once. */
void script_begin(struct play *p);

/* The statements < and >. */
void script_inject(struct play *p);
void script_expect(struct play *p);

#endif /* TESTS_INET_SCRIPT_H */
