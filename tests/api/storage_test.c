/* SPDX-License-Identifier: MIT */
/* Storage calls where no storage libOS is installed. */
#include "api/rig.h"

#include <fcntl.h>
#include <unistd.h>

static void open__is_not_supported(void **state)
{
    int qd = 77;

    (void)state;
    assert_int_equal(demi_open(NULL, "/tmp/log", O_RDWR), EINVAL);
    assert_int_equal(demi_open(&qd, NULL, O_RDWR), EINVAL);
    rig_says(demi_open(&qd, "/tmp/log", O_RDWR), ENOTSUP, "storage");
    assert_int_equal(qd, 77);
}

static void creat__is_not_supported_and_makes_no_file(void **state)
{
    char path[64];
    int qd;

    (void)state;
    snprintf(path, sizeof(path), "/tmp/caracal-no-log-%d", (int)getpid());
    assert_int_equal(demi_creat(NULL, path, 0600), EINVAL);
    assert_int_equal(demi_creat(&qd, NULL, 0600), EINVAL);
    rig_says(demi_creat(&qd, path, 0600), ENOTSUP, "storage");
    assert_int_equal(access(path, F_OK), -1);
}

static void seek_and_truncate__no_queue_is_one_of_storage(void **state)
{
    int qd;

    (void)state;
    assert_int_equal(demi_queue(&qd), 0);
    assert_int_equal(demi_seek(-1, 0, SEEK_SET), EBADF);
    assert_int_equal(demi_truncate(-1, 0), EBADF);
    rig_says(demi_seek(qd, 0, SEEK_SET), ENOTSUP, "storage");
    rig_says(demi_truncate(qd, 0), ENOTSUP, "storage");
    assert_int_equal(demi_close(qd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(open__is_not_supported),
        TEST(creat__is_not_supported_and_makes_no_file),
        TEST(seek_and_truncate__no_queue_is_one_of_storage),
    };

    return RIG_RUN(tests);
}
