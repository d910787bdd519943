/* SPDX-License-Identifier: MIT */
/* Operations as messages of the key-value server's own protocol: one message each, its answer another. */
#ifndef APPS_KVLOAD_MESSAGE_H
#define APPS_KVLOAD_MESSAGE_H

#include "kvload/answer.h"
#include "kvload/workload.h"

/* Bytes of the request of an operation that is no scan. */
size_t message_request_len(const struct workload *w, const struct operation *op);

/* Writes it to out; its answer repeats the number. */
void message_request(const struct workload *w, const struct operation *op, uint64_t number, char *out);

/* Takes an answer apart, as one of a stream would be. false: it is none. */
bool message_answer(const char *data, size_t len, uint64_t *number, struct answer *out);

#endif /* APPS_KVLOAD_MESSAGE_H */
