/* SPDX-License-Identifier: MIT */
/*
 * Set intersection over an inverted index: a request names one to four words, the answer has the documents in which all
 * of them are. Four cores share the load (JBSQ). Word w is in every document whose number divides by w, so an answer is
 * known beforehand; the lists of documents are in rising order.
 */
#include "loadgen.h"

#include <stdio.h>
#include <stdlib.h>

#define WORDS      200u
#define DOCUMENTS  300u
#define ANSWER_MAX 64u
#define QUERY_MAX  4u

struct posting {
    uint64_t count;
    uint64_t document[DOCUMENTS];
};

static struct posting index_of[WORDS + 1];
static struct {
    uint64_t answered;
} __attribute__((aligned(64))) counted[4]; /* by core: no two share a line */
static uint64_t wrong, ready;

static void fill(void)
{
    for (unsigned w = 1; w <= WORDS; w++) {
        for (unsigned d = w; d <= DOCUMENTS; d += w)
            index_of[w].document[index_of[w].count++] = d;
    }
}

/* Documents of both lists, in order. */
static unsigned intersect(const uint64_t *a, unsigned a_count, const struct posting *b, uint64_t *out)
{
    unsigned n = 0;

    for (unsigned i = 0, k = 0; i < a_count && k < b->count;) {
        if (a[i] == b->document[k]) {
            out[n++] = a[i++];
            k++;
        } else if (a[i] < b->document[k]) {
            i++;
        } else {
            k++;
        }
    }
    return n;
}

static bool in_all(uint64_t document, const uint64_t *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (document % words[i] != 0)
            return false;
    }
    return true;
}

/* Begins with the shortest list, which is that of the highest word: they come in rising order. */
static unsigned search(const uint64_t *words, unsigned count, uint64_t *documents)
{
    const struct posting *first = &index_of[words[count - 1]];
    const uint64_t *so_far = first->document;
    unsigned n = (unsigned)first->count;

    for (unsigned i = count - 1; i-- > 0;) {
        n = intersect(so_far, n, &index_of[words[i]], documents);
        so_far = documents;
    }
    for (unsigned i = 0; so_far != documents && i < n; i++)
        documents[i] = so_far[i];
    return n;
}

static void serve(unsigned core)
{
    uint64_t documents[DOCUMENTS], words[QUERY_MAX];

    for (;;) {
        uint64_t header = loadgen_take(), service = nanopu_rx(), sent = nanopu_rx();
        unsigned count = (unsigned)nanopu_rx() % (QUERY_MAX + 1), n;

        for (unsigned i = 0; i < count; i++)
            words[i] = nanopu_rx() % (WORDS + 1);
        if (service == 0)
            return;
        n = search(words, count, documents);
        n = n < ANSWER_MAX ? n : ANSWER_MAX;
        nanopu_tx(nanopu_header_with_bytes(header, 24 + 8 * n));
        nanopu_tx(service);
        nanopu_tx(sent);
        nanopu_tx(n);
        for (unsigned i = 0; i < n; i++)
            nanopu_tx(documents[i]);
        nanopu_msg_done();
        counted[core].answered++;
        if (n > 0 && !in_all(documents[n - 1], words, count))
            nanopu_fetch_add(&wrong, 1);
    }
}

int core_main(int argc, char **argv, unsigned hart, unsigned cores)
{
    (void)argc, (void)argv, (void)cores;
    nanopu_register(0, 0);
    if (hart == 0) {
        fill();
        __atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
    }
    while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) == 0)
        ;
    loadgen_start(hart, 0);
    serve(hart % 4);
    for (unsigned i = 1; i < 4; i++)
        counted[0].answered += counted[i].answered;
    printf("%lu requests answered, %lu wrong\n", counted[0].answered, wrong);
    exit(wrong != 0);
}
