/* SPDX-License-Identifier: MIT */
#include "nanopu/sim/params.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void params_profile__fills_in_the_profile(void **state)
{
    struct params p;

    (void)state;
    assert_int_equal(params_profile(&p, "osdi21"), 0);
    assert_int_equal(params_ip_protocol(&p), 153);
    assert_int_equal(p.control_pad, 64);
    assert_string_equal(p.profile, "osdi21");
    assert_int_equal(params_profile(&p, "homa"), 0);
    assert_int_equal(params_ip_protocol(&p), 154);
    assert_ptr_equal(params_transport(&p), &homa_transport);
    assert_int_equal(params_set(&p, "transport", "ndp", NULL), 0);
    assert_int_equal(params_ip_protocol(&p), 155);
    assert_int_equal(params_set(&p, "ip_protocol", "200", NULL), 0);
    assert_int_equal(params_ip_protocol(&p), 200);
    assert_int_equal(p.context_rxq_words, 63);
    assert_string_equal(p.profile, "homa");
    assert_int_equal(params_profile(&p, "osdi"), -ENOENT);
}

static void params_set__numbers_within_bounds(void **state)
{
    struct params p;

    (void)state;
    params_profile(&p, "osdi21");
    assert_int_equal(params_set(&p, "cores", "64", NULL), 0);
    assert_int_equal(p.cores, 64);
    assert_int_equal(params_set(&p, "cores", "65", NULL), -ERANGE);
    assert_int_equal(params_set(&p, "cores", "0", NULL), -ERANGE);
    assert_int_equal(params_set(&p, "cores", "-1", NULL), -ERANGE);
    assert_int_equal(params_set(&p, "cores", "99999999999999999999", NULL), -ERANGE);
    assert_int_equal(params_set(&p, "cores", "4x", NULL), -EINVAL);
    assert_int_equal(params_set(&p, "cores", "", NULL), -EINVAL);
    assert_int_equal(params_set(&p, "cores", "on", NULL), -EINVAL);
    assert_int_equal(p.cores, 64);
}

static void params_set__words_for_flags_and_transports(void **state)
{
    struct params p;

    (void)state;
    params_profile(&p, "osdi21");
    assert_int_equal(params_set(&p, "quirk_empty_pop", "off", NULL), 0);
    assert_int_equal(p.quirk_empty_pop, 0);
    assert_int_equal(params_set(&p, "quirk_empty_pop", "True", NULL), 0);
    assert_int_equal(p.quirk_empty_pop, 1);
    assert_int_equal(params_set(&p, "transport", "homa", NULL), 0);
    assert_int_equal(p.transport, 1);
    assert_int_equal(params_set(&p, "transport", "on", NULL), -EINVAL);
    assert_int_equal(params_set(&p, "timing", "homa", NULL), -EINVAL);
}

static void params_set__unknown_key_names_the_nearest(void **state)
{
    const char *nearest = NULL;
    struct params p;

    (void)state;
    params_profile(&p, "osdi21");
    assert_int_equal(params_set(&p, "link_cycle", "1", &nearest), -ENOENT);
    assert_string_equal(nearest, "link_cycles");
    assert_int_equal(params_set(&p, "Core", "1", &nearest), -ENOENT);
    assert_string_equal(nearest, "cores");
}

static void param_list__each_default_can_be_set(void **state)
{
    struct params p;
    char text[32];

    (void)state;
    params_profile(&p, "osdi21");
    for (size_t i = 0; i < param_list_len; i++) {
        snprintf(text, sizeof(text), "%lld", (long long)param_list[i].homa);
        assert_int_equal(params_set(&p, param_list[i].key, text, NULL), 0);
        assert_int_equal(params_get(&p, &param_list[i]), param_list[i].homa);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(params_profile__fills_in_the_profile),
        cmocka_unit_test(params_set__numbers_within_bounds),
        cmocka_unit_test(params_set__words_for_flags_and_transports),
        cmocka_unit_test(params_set__unknown_key_names_the_nearest),
        cmocka_unit_test(param_list__each_default_can_be_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
