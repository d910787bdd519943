/* SPDX-License-Identifier: MIT */
/* Scripts of a port, of any bytes: refused with the file's name, or free of leaks. */
#include "fuzz.h"

#include "nanopu/fabric/port_script.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error_text et = {""};
    struct script *s;
    int ret = script_parse(&s, "name", (const char *)data, size, &et);

    if (ret != 0) {
        require(ret == -EINVAL && strncmp(et.text, "name:", 5) == 0);
        return 0;
    }
    require(script_failure(s)[0] == '\0');
    script_end(s);
    require(script_done(s) == (script_failure(s)[0] == '\0'));
    script_free(s);
    return 0;
}
