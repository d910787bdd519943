/* SPDX-License-Identifier: MIT */
/* Numbers, words, patterns; see text.h. */
#include "kv/text.h"

bool text_number(struct span text, int64_t *out)
{
    bool negative = text.len > 0 && text.at[0] == '-';
    size_t at = negative;
    uint64_t value = 0;
    uint64_t limit = (uint64_t)INT64_MAX + negative;
    size_t digits = text.len - at;
    if (digits == 0 || digits > 19 || (text.at[at] == '0' && (digits > 1 || negative))) {
        return false;
    }
    for (; at < text.len; at++) {
        unsigned digit = (unsigned char)text.at[at] - (unsigned)'0';
        if (digit > 9 || value > (limit - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

size_t text_of_number(int64_t value, char out[TEXT_NUMBER_MAX])
{
    char digits[TEXT_NUMBER_MAX];
    size_t n = 0, at = 0;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[n++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) {
        out[at++] = '-';
    }
    while (n > 0) {
        out[at++] = digits[--n];
    }
    return at;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool text_is(struct span text, const char *word)
{
    size_t i = 0;
    while (i < text.len && word[i] != '\0' && lower(text.at[i]) == word[i]) {
        i++;
    }
    return i == text.len && word[i] == '\0';
}

/* Takes a set in brackets from the pattern, *at behind '['; whether c is in it. */
static bool in_set(struct span pattern, size_t *at, unsigned char c)
{
    bool inverted = *at < pattern.len && pattern.at[*at] == '^';
    bool found = false;
    *at += inverted;
    while (*at < pattern.len && pattern.at[*at] != ']') {
        if (pattern.at[*at] == '\\' && *at + 1 < pattern.len) {
            ++*at;
        }
        unsigned char low = (unsigned char)pattern.at[*at];
        unsigned char high = low;
        if (*at + 2 < pattern.len && pattern.at[*at + 1] == '-') {
            high = (unsigned char)pattern.at[*at + 2];
            *at += 2;
        }
        found |= low <= high ? low <= c && c <= high : high <= c && c <= low;
        ++*at;
    }
    *at += *at < pattern.len;
    return found != inverted;
}

/* Matches one character with what the pattern has at *at, which is no '*', and moves on. */
static bool match_one(struct span pattern, size_t *at, char c)
{
    char p = pattern.at[(*at)++];
    if (p == '?') {
        return true;
    }
    if (p == '[') {
        return in_set(pattern, at, (unsigned char)c);
    }
    if (p == '\\' && *at < pattern.len) {
        p = pattern.at[(*at)++];
    }
    return p == c;
}

bool text_matches(struct span text, struct span pattern)
{
    size_t t = 0, p = 0;
    size_t star_p = SIZE_MAX, star_t = 0; /* where to go on when the last '*' must take one more */
    while (t < text.len) {
        if (p < pattern.len && pattern.at[p] == '*') {
            star_p = ++p;
            star_t = t;
        } else if (p < pattern.len && match_one(pattern, &p, text.at[t])) {
            t++;
        } else if (star_p != SIZE_MAX) {
            p = star_p;
            t = ++star_t;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.at[p] == '*') {
        p++;
    }
    return p == pattern.len;
}
