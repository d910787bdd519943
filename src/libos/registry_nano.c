/* SPDX-License-Identifier: MIT */
/* The libOSes of the nanoPU: one. */
#include "registry.h"

#include "catnano/guest.h"

#include <errno.h>
#include <string.h>

const struct libos *libos_find(const char *name, int *err, struct error_text *et)
{
    if (strcmp(name, libos_catnano_guest.name) == 0)
        return &libos_catnano_guest;
    *err = error_set(et, EINVAL, "LIBOS=%.64s: the nanoPU has catnano", name);
    return NULL;
}
