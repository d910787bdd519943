/* SPDX-License-Identifier: MIT */
/* The text behind `load:`. What is refused is refused by name; what is accepted is within its bounds. */
#include "fuzz.h"

#include "nanopu/fabric/load.h"

#include <errno.h>

#define TEXT_MAX 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error_text et = {""};
    struct load_spec s;
    char text[TEXT_MAX];
    int ret;

    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    ret = load_spec_parse(&s, "name", text, &et);
    if (ret != 0) {
        require(ret == -EINVAL && strncmp(et.text, "name: load: ", 12) == 0);
        return 0;
    }
    require(s.mean_first >= s.mean_last && s.mean_last > 0 && s.mean_step > 0);
    require(s.count > 0 && s.count <= LOAD_COUNT_MAX && s.keys >= 5);
    require(s.service != LOAD_FIXED || s.service_cycles > 0);
    require(strlen(s.log) < LOAD_PATH_MAX && strlen(s.csv) < LOAD_PATH_MAX && strlen(s.json) < LOAD_PATH_MAX);
    return 0;
}
