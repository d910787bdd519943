/* SPDX-License-Identifier: MIT */
/* Opening devices by name: what is told when one cannot be had, and that nothing stays behind. */
#include "netdev/netdev.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void refused(const char *driver, const char *device, int err, const char *word)
{
    struct config cfg;
    struct error_text et = {.text = ""};
    struct netdev_params par = {.cfg = &cfg};
    struct netdev *d = NULL;

    config_defaults(&cfg);
    snprintf(cfg.device, sizeof(cfg.device), "%s", device);
    assert_int_equal(netdev_open(driver, &par, &d, &et), -err);
    assert_non_null(strstr(et.text, word));
    assert_null(d);
}

static void open__unknown_driver(void **state)
{
    (void)state;
    refused("packets", "lo", EINVAL, "there are packet");
    refused("", "lo", EINVAL, "there are packet");
}

static void packet__needs_an_ethernet_interface(void **state)
{
    (void)state;
    refused("packet", "", EINVAL, "no name of an interface");
    refused("packet", "an_interface_with_a_long_name", EINVAL, "no name of an interface");
    refused("packet", "nosuch0", ENODEV, "nosuch0");
    refused("packet", "lo", EINVAL, "no Ethernet interface");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open__unknown_driver),
        cmocka_unit_test(packet__needs_an_ethernet_interface),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
