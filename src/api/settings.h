/* SPDX-License-Identifier: MIT */
/* What the API wants from the machine beneath it: settings, and word of threads that end. */
#ifndef API_SETTINGS_H
#define API_SETTINGS_H

#include "core/config.h"

struct instance;

/* The libOS that is wanted. */
const char *api_libos_name(void);

/* Settings from wherever they come. 0, or a positive errno with its text in et. */
int api_read_config(struct config *cfg, struct error_text *et);

/* The calling thread's instance ends with the thread, from now on; with NULL, no longer. */
void api_thread_owns(struct instance *inst);

#endif /* API_SETTINGS_H */
