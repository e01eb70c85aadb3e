#include "fs/options.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "objstore/base/clock.h"

#define ARGS_MAX 16

/* Runs the parser over a line of words. */
static int read_line(const char *line, struct mount_options *ret_options)
{
    static char copy[1024];
    char *argv[ARGS_MAX + 1] = {0}, *rest = copy;
    int argc = 0;

    snprintf(copy, sizeof copy, "%s", line);
    for (char *word; argc < ARGS_MAX && (word = strtok_r(argc ? NULL : copy, " ", &rest));)
        argv[argc++] = word;
    return options_read(argc, argv, ret_options);
}

static void with_credentials(void)
{
    setenv("AWS_ACCESS_KEY_ID", "AK", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
}

TestSuite(fs_options, .init = with_credentials);

Test(fs_options, a_plain_mount)
{
    struct mount_options o;

    cr_assert_eq(read_line("cairnfs http://h:9000/photos/a /tmp", &o), 0);
    cr_expect_str_eq(o.source.bucket, "photos");
    cr_expect_str_eq(o.mountpoint, "/tmp");
    cr_expect_str_eq(o.credentials.access_key, "AK");
    cr_expect_not(o.foreground || o.soft || o.sync || o.fake);
    cr_expect_eq(o.attr_timeout_ns, 60 * NS_PER_SEC);
    cr_expect_eq(o.uid, OPTION_ID_NONE);
    options_release(&o);
}

Test(fs_options, options_of_ours_and_of_the_kernel)
{
    struct mount_options o;

    cr_assert_eq(read_line("cairnfs -f http://h/b /tmp -o soft,timeout=5s,ro -o dirty=32M,noexec,uid=7,sync", &o), 0);
    cr_expect(o.foreground && o.soft && o.sync);
    cr_expect_eq(o.timeout_ns, 5 * NS_PER_SEC);
    cr_expect_eq(o.dirty, 32u << 20);
    cr_expect_eq(o.uid, 7);
    cr_expect(span_is(buf_span(&o.kernel), "ro,noexec"));
    options_release(&o);
}

Test(fs_options, as_mount_calls_it)
{
    struct mount_options o;

    cr_assert_eq(read_line("/sbin/mount.cairn http://h/b /tmp -sfnv -t cairn -o "
                           "rw,_netdev,x-systemd.automount,nofail,user=joe,defaults,relatime,soft",
                           &o),
                 0);
    cr_expect(o.fake && o.soft);
    cr_expect_not(o.foreground);
    cr_expect(span_is(buf_span(&o.kernel), "rw"));
    options_release(&o);
}

Test(fs_options, a_backslash_keeps_a_comma)
{
    struct mount_options o;

    cr_assert_eq(read_line("cairnfs http://h/b /tmp -o log=/a\\,b,debug", &o), 0);
    cr_expect_str_eq(o.log_file, "/a,b");
    cr_expect(o.debug && o.foreground);
    options_release(&o);
}

Test(fs_options, what_is_wrong_is_refused)
{
    static const char *const lines[] = {
        "cairnfs",
        "cairnfs http://h/b",
        "cairnfs http://h/b /tmp more",
        "cairnfs h/b /tmp",
        "cairnfs http://h/b /nowhere/at/all",
        "cairnfs http://h/b /tmp -o nonsense",
        "cairnfs http://h/b /tmp -o region",
        "cairnfs http://h/b /tmp -o hard,soft",
        "cairnfs http://h/b /tmp -o dirty=1M",
        "cairnfs http://h/b /tmp -o dirty=lots",
        "cairnfs http://h/b /tmp -o uid=99999999999",
        "cairnfs http://h/b /tmp -o credentials=/nowhere/at/all",
        "cairnfs http://h/b /tmp -t cairn",
        "cairnfs -x http://h/b /tmp",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct mount_options o;
        cr_expect_lt(read_line(lines[i], &o), 0, "%s", lines[i]);
    }
}

Test(fs_options, no_credentials_are_an_error)
{
    struct mount_options o;

    unsetenv("AWS_SECRET_ACCESS_KEY");
    cr_expect_lt(read_line("cairnfs http://h/b /tmp", &o), 0);
    cr_expect_eq(read_line("cairnfs --help", &o), 0);
    cr_expect(o.help);
}
