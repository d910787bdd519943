/* SPDX-License-Identifier: MIT */
/* demi xdp: puts the XDP program onto an interface for processes that may not. */
#include "core/module.h"
#include "demi.h"
#include "netdev/xdp/xdp_pin.h"

#include <getopt.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct xdp_options {
    const char *dir;
    enum xdp_mode mode;
    uid_t owner;
};

static bool find_user(const char *name, uid_t *uid)
{
    const struct passwd *p = getpwnam(name);
    char *end;
    unsigned long number = strtoul(name, &end, 10);

    if (p != NULL)
        *uid = p->pw_uid;
    else if (name[0] >= '0' && name[0] <= '9' && *end == '\0' && number < UINT32_MAX)
        *uid = (uid_t)number;
    else
        return false;
    return true;
}

static bool find_mode(const char *name, enum xdp_mode *mode)
{
    static const char *const names[] = {[XDP_AUTO] = "auto", [XDP_NATIVE] = "native", [XDP_GENERIC] = "generic"};

    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *mode = (enum xdp_mode)i;
            return true;
        }
    }
    return false;
}

/* An exit code; DEMI_OK and o->dir NULL: the help was wanted. */
static int read_options(int argc, char **argv, struct xdp_options *o)
{
    static const struct option options[] = {{"pin", required_argument, NULL, 'p'},
                                            {"user", required_argument, NULL, 'u'},
                                            {"mode", required_argument, NULL, 'm'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int opt;

    opterr = 0;
    while ((opt = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (opt == 'h') {
            print_help("xdp");
            o->dir = NULL;
            return DEMI_OK;
        }
        if (opt == '?')
            return usage_error("xdp", "unknown option \"%s\"", argv[optind - 1]);
        if (opt == ':')
            return usage_error("xdp", "%s needs a value", argv[optind - 1]);
        if (opt == 'p')
            o->dir = optarg;
        else if (opt == 'u' && !find_user(optarg, &o->owner))
            return usage_error("xdp", "--user: there is no user \"%s\"", optarg);
        else if (opt == 'm' && !find_mode(optarg, &o->mode))
            return usage_error("xdp", "--mode takes auto, native or generic, not \"%s\"", optarg);
    }
    return o->dir == NULL ? usage_error("xdp", "--pin DIR is needed") : DEMI_OK;
}

static int run(const char *verb, const char *device, const struct xdp_options *o)
{
    struct error_text et = {.text = ""};
    int err = 0;
    void *module = module_open("caracal-xdp", &et, &err);
    const struct xdp_pins *pins = module == NULL ? NULL : module_symbol(module, "caracal_xdp_pins", &et, &err);

    if (pins != NULL)
        err = device != NULL ? pins->attach(device, o->mode, o->dir, o->owner, &et) : pins->detach(o->dir, &et);
    if (module != NULL)
        module_close(module);
    if (err < 0)
        return fail("%s: %s", verb, et.text);
    if (device != NULL)
        printf("%s: programs with DRIVER=xdp DEVICE=%s XDP_MAP=%s need CAP_NET_RAW only\n", device, device, o->dir);
    return DEMI_OK;
}

int cmd_xdp(int argc, char **argv)
{
    struct xdp_options o = {.mode = XDP_AUTO};
    int code = read_options(argc, argv, &o), words = argc - optind;

    if (code != DEMI_OK || o.dir == NULL)
        return code;
    if (words == 2 && strcmp(argv[optind], "attach") == 0)
        return run("attach", argv[optind + 1], &o);
    if (words == 1 && strcmp(argv[optind], "detach") == 0)
        return run("detach", NULL, &o);
    return usage_error("xdp", "either attach INTERFACE or detach");
}
