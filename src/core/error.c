/* SPDX-License-Identifier: MIT */
/* Error texts. */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int error_set(struct error_text *et, int err, const char *fmt, ...)
{
    int saved = errno;
    va_list ap;

    assert(err > 0);
    if (et != NULL) {
        va_start(ap, fmt);
        if (vsnprintf(et->text, sizeof(et->text), fmt, ap) < 0)
            et->text[0] = '\0';
        va_end(ap);
    }
    errno = saved;
    return -err;
}
