/* SPDX-License-Identifier: MIT */
/* Between the reader of scripts and what does them. */
#ifndef NANOPU_FABRIC_PORT_SCRIPT_INTERNAL_H
#define NANOPU_FABRIC_PORT_SCRIPT_INTERNAL_H

#include "nanopu/fabric/port_internal.h"
#include "nanopu/fabric/port_script.h"
#include "transport/msg_header.h"

#define SCRIPT_WHY_MAX     160
#define SCRIPT_FAILURE_MAX 700

/* F(name in the script, member of struct msg_header, kind: i address, f flags, n number) */
#define SCRIPT_FIELDS(F)                                                                                               \
    F(src, src_ip, 'i')                                                                                                \
    F(dst, dst_ip, 'i')                                                                                                \
    F(flags, flags, 'f')                                                                                               \
    F(src_ctx, src_context, 'n')                                                                                       \
    F(dst_ctx, dst_context, 'n')                                                                                       \
    F(len, msg_len, 'n')                                                                                               \
    F(offset, pkt_offset, 'n')                                                                                         \
    F(pull, pull_offset, 'n')                                                                                          \
    F(id, tx_msg_id, 'n')                                                                                              \
    F(buf, buf_ptr, 'n')                                                                                               \
    F(class, buf_class, 'n')                                                                                           \
    F(tos, tos, 'n')

#define SCRIPT_FIELD_ENUM(name, member, kind) FIELD_##name,
enum script_field_index { SCRIPT_FIELDS(SCRIPT_FIELD_ENUM) FIELD_COUNT };
#undef SCRIPT_FIELD_ENUM

struct script_field {
    const char *name; /* NULL: the end of the list */
    char kind;
    size_t offset, size; /* in struct msg_header */
};
extern const struct script_field script_fields[];

/* The value of a field in a header, as it is written in scripts. */
void script_field_text(const struct script_field *f, const struct msg_header *h, char *buf, size_t size);

struct script_packet {
    uint32_t given; /* a bit for each field that was named */
    struct msg_header header;
    uint8_t *payload; /* owned by its step; NULL: not named */
    unsigned payload_len;
};

enum script_verb { SCRIPT_SEND, SCRIPT_EXPECT, SCRIPT_IGNORE };
enum script_when { SCRIPT_ANY, SCRIPT_AT, SCRIPT_BY, SCRIPT_AFTER };

struct script_step {
    unsigned line;
    enum script_verb verb;
    enum script_when when;
    uint64_t cycle;
    struct script_packet packet;
};

struct script {
    char *name;
    struct script_step *steps;
    size_t step_count, ignores;
    size_t next;    /* the statement that is to be done */
    uint64_t cycle; /* of the statement before it */
    char failure[SCRIPT_FAILURE_MAX];
};

#endif /* NANOPU_FABRIC_PORT_SCRIPT_INTERNAL_H */
