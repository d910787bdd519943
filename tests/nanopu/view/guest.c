/* SPDX-License-Identifier: MIT */
/* A program to look at while it runs. */
#include <stdio.h>

volatile double f = 1.5;
volatile int counter;

__attribute__((noinline)) int twice(int x)
{
    counter += x;
    f = f * 2;
    return 2 * x;
}

int main(void)
{
    int sum = 0;

    for (int i = 1; i <= 3; i++)
        sum += twice(i);
    printf("sum %d counter %d\n", sum, counter);
    return sum;
}
