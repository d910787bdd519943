/* SPDX-License-Identifier: MIT */
/*
 * Bytes that can be told from any others: a stream named by a seed, whose byte at an offset is a function of both, so
 * that bytes that are lost, repeated, moved or another stream's are found wherever they lie.
 */
#ifndef APPS_COMMON_PATTERN_H
#define APPS_COMMON_PATTERN_H

#include <stddef.h>
#include <stdint.h>

/* Writes len bytes of stream seed from offset on. */
void pattern_fill(void *bytes, size_t len, uint64_t seed, uint64_t offset);

/* Number of leading bytes that are those of stream seed from offset on: len when all are right. */
size_t pattern_match(const void *bytes, size_t len, uint64_t seed, uint64_t offset);

#endif /* APPS_COMMON_PATTERN_H */
