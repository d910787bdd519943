/* SPDX-License-Identifier: MIT */
/* Prints what the runtime's formatter can; built for a guest and for this machine, both have to print the same. */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>

static const char *const integers[] = {"[%d]",   "[%5d]",   "[%-5d]", "[%05d]",  "[%+d]",    "[% d]",
                                       "[%.3d]", "[%8.3d]", "[%i]",   "[%+05d]", "[%-+7.2d]"};
static const char *const unsigneds[] = {"[%u]",  "[%x]",   "[%X]",   "[%o]",    "[%#x]",
                                        "[%#X]", "[%08x]", "[%-8x]", "[%#010x]"};
static const char *const floats[] = {"[%f]",     "[%.0f]",   "[%.1f]",  "[%8.3f]",
                                     "[%-9.2f]", "[%09.2f]", "[%+.2f]", "[%.9f]"};
static const int values[] = {0, 1, -1, 7, 42, -12345, 99999, INT_MAX, INT_MIN};
static const double reals[] = {0, 1, -1, 0.25, 3.14159265, -2.71828, 1234567.891, 99.999, 1e15, 0.5, 1.5, 2.5, 0.125};

static void print_numbers(void)
{
    for (unsigned v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
        for (unsigned f = 0; f < sizeof(integers) / sizeof(integers[0]); f++)
            printf(integers[f], values[v]);
        for (unsigned f = 0; f < sizeof(unsigneds) / sizeof(unsigneds[0]); f++)
            printf(unsigneds[f], (unsigned)values[v]);
        printf("\n");
    }
    for (unsigned v = 0; v < sizeof(reals) / sizeof(reals[0]); v++) {
        for (unsigned f = 0; f < sizeof(floats) / sizeof(floats[0]); f++)
            printf(floats[f], reals[v]);
        printf("\n");
    }
}

int main(void)
{
    char text[20];
    int n;

    print_numbers();
    printf("%ld %lld %lu %llx %zu %jd\n", LONG_MIN, LLONG_MAX, ULONG_MAX, ULLONG_MAX, (size_t)77, (intmax_t)-5);
    printf("%hhd %hd %hhu %hx\n", 300, 70000, 300, 70000);
    printf("%c|%3c|%-3c|%%|%s|%10s|%-10s|%.2s|%*d|%-*d|%.*f\n", 'a', 'b', 'c', "text", "right", "left", "cut", 5, 1, 5,
           2, 2, 1.5);
    printf("%x %x %x %x %x %x %x %x %x %x\n", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    n = snprintf(text, sizeof(text), "%s and %d, too long", "cut off", 12345);
    printf("%d %s\n", n, text);
    fprintf(stdout, "%f %f %f %f %f %f %f %f %f %d\n", 1., 2., 3., 4., 5., 6., 7., 8., 9., 10);
    puts("an unfinished line is printed at the end, too:");
    printf("here");
    return 0;
}
