/* SPDX-License-Identifier: MIT */
/* The libOSes of the nanoPU: one. */
#include "registry.h"

#include "catnano/guest.h"

#include <errno.h>
#include <string.h>

int libos_find(const char *name, struct libos_choice *choice, struct error_text *et)
{
    choice->net = &libos_catnano_guest;
    choice->local = NULL;
    if (strcmp(name, libos_catnano_guest.name) == 0)
        return 0;
    return error_set(et, EINVAL, "LIBOS=%.64s: the nanoPU has catnano", name);
}
