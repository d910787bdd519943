/* SPDX-License-Identifier: MIT */
/* The HTTP example's server: options and entry. */
#ifndef APPS_HTTPD_HTTPD_H
#define APPS_HTTPD_HTTPD_H

#include "common/addr.h"

#include <stdbool.h>
#include <stdint.h>

struct httpd_options {
    struct addr bind;
    uint32_t max_connections;
    uint64_t idle_ns;
    bool quiet;
};

/* Serves until it is told to stop; returns the exit code. */
int httpd_run(const struct httpd_options *o);

#endif /* APPS_HTTPD_HTTPD_H */
