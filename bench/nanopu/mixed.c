/* SPDX-License-Identifier: MIT */
/*
 * A guest of mips_functional and mips_cycle: what embedded programs spend their time on. A linked list is searched and
 * sorted, matrices are multiplied, a text is scanned by a state machine, and a CRC runs over all results. It prints
 * nothing and needs no NIC, so that QEMU's machine runs it as well; its exit code says whether the CRC came out right.
 */
#include <stddef.h>
#include <stdint.h>

#define TURNS    600
#define NODES    256
#define SIDE     16
#define EXPECTED 0xeb16u

struct node {
    struct node *next;
    int16_t key, value;
};

enum state { START, SIGN, WHOLE, FRACTION, EXPONENT, POWER, INVALID, STATES };

static struct node nodes[NODES];
static int16_t left[SIDE][SIDE], right[SIDE][SIDE];
static int32_t product[SIDE][SIDE];
static const char text[] =
    "12 -7 3.25 +1.5e3 x9 2e+8 .5 99999 1.2.3 -0 7e 4e-2 abc 3 1e5 -12.75 +8 6.02e23 0.001 !! 42 ";

static uint16_t crc(uint16_t sum, uint32_t word)
{
    for (unsigned bit = 0; bit < 32; bit++) {
        unsigned carry = (sum ^ word) & 1;

        sum = (uint16_t)(sum >> 1 ^ (carry != 0 ? 0xa001 : 0));
        word >>= 1;
    }
    return sum;
}

static struct node *list_make(unsigned seed)
{
    for (unsigned i = 0; i < NODES; i++) {
        seed = seed * 1103515245u + 12345u;
        nodes[i] = (struct node){i + 1 < NODES ? &nodes[i + 1] : NULL, (int16_t)(seed >> 16), (int16_t)i};
    }
    return nodes;
}

static struct node *list_merge(struct node *a, struct node *b)
{
    struct node head, *tail = &head;

    while (a != NULL && b != NULL) {
        struct node **least = a->key <= b->key ? &a : &b;

        tail->next = *least;
        tail = *least;
        *least = tail->next;
    }
    tail->next = a != NULL ? a : b;
    return head.next;
}

/* Runs of 2^i nodes wait in run[i] for another of their length. */
static struct node *list_sort(struct node *list)
{
    struct node *run[10] = {NULL}, *sorted = NULL;

    while (list != NULL) {
        struct node *one = list;
        unsigned i = 0;

        list = list->next;
        one->next = NULL;
        for (; run[i] != NULL; i++) {
            one = list_merge(run[i], one);
            run[i] = NULL;
        }
        run[i] = one;
    }
    for (unsigned i = 0; i < 10; i++)
        sorted = list_merge(run[i], sorted);
    return sorted;
}

static uint32_t list_find(const struct node *list, int16_t key)
{
    uint32_t steps = 0;

    for (; list != NULL && list->key < key; list = list->next)
        steps++;
    return steps + (list != NULL ? (uint16_t)list->value : 0);
}

static uint32_t matrix_work(unsigned seed)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < SIDE; i++)
        for (unsigned j = 0; j < SIDE; j++) {
            left[i][j] = (int16_t)(seed + i * j);
            right[i][j] = (int16_t)(seed * i - j);
        }
    for (unsigned i = 0; i < SIDE; i++)
        for (unsigned j = 0; j < SIDE; j++) {
            product[i][j] = 0;
            for (unsigned k = 0; k < SIDE; k++)
                product[i][j] += left[i][k] * right[k][j];
            sum += (uint32_t)product[i][j] >> (j & 7);
        }
    return sum;
}

static enum state step(enum state s, char c)
{
    int digit = c >= '0' && c <= '9';

    switch (s) {
    case START:
        return digit ? WHOLE : c == '+' || c == '-' ? SIGN : c == '.' ? FRACTION : INVALID;
    case SIGN:
        return digit ? WHOLE : c == '.' ? FRACTION : INVALID;
    case WHOLE:
        return digit ? WHOLE : c == '.' ? FRACTION : c == 'e' ? EXPONENT : INVALID;
    case FRACTION:
        return digit ? FRACTION : c == 'e' ? EXPONENT : INVALID;
    case EXPONENT:
        return digit || c == '+' || c == '-' ? POWER : INVALID;
    case POWER:
        return digit ? POWER : INVALID;
    default:
        return INVALID;
    }
}

static uint16_t scan(uint16_t sum)
{
    uint32_t ends[STATES] = {0};
    enum state s = START;

    for (const char *p = text; *p != '\0'; p++) {
        if (*p == ' ') {
            ends[s]++;
            s = START;
        } else {
            s = step(s, *p);
        }
    }
    for (unsigned i = 0; i < STATES; i++)
        sum = crc(sum, ends[i]);
    return sum;
}

int main(void)
{
    uint16_t sum = 0xffff;

    for (unsigned turn = 0; turn < TURNS; turn++) {
        const struct node *list = list_sort(list_make(turn));

        for (int key = -32000; key < 32000; key += 8000)
            sum = crc(sum, list_find(list, (int16_t)key));
        sum = crc(sum, matrix_work(turn));
        sum = scan(sum);
    }
    return sum != EXPECTED;
}
