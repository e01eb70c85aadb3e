#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/base/log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <regex.h>
#include <string.h>
#include <unistd.h>

static int saved, pipes[2];

static void capture(void)
{
    saved = dup(STDERR_FILENO);
    cr_assert_eq(pipe2(pipes, O_DIRECT | O_NONBLOCK), 0); /* packets: one read gives what one write wrote */
    dup2(pipes[1], STDERR_FILENO);
}

static void release(void)
{
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(pipes[0]);
    close(pipes[1]);
}

/* The next write to standard error, or "". */
static const char *next_write(void)
{
    static char text[16384];
    ssize_t n = read(pipes[0], text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static bool matches(const char *text, const char *pattern)
{
    regex_t re;
    cr_assert_eq(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
    bool hit = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    return hit;
}

TestSuite(log, .init = capture, .fini = release);

Test(log, an_event_is_one_line_in_one_write)
{
    log_info("started", "drives=%d set=%s", 4, "a");
    log_error("stopped", "%s", "");
    const char *text = next_write();
    cr_expect(matches(text, "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z info started "
                            "drives=4 set=a\n$"),
              "%s", text);
    text = next_write();
    cr_expect(matches(text, "Z error stopped\n$"), "%s", text);
    cr_expect_str_eq(next_write(), "");
}

Test(log, events_above_the_level_are_dropped)
{
    log_debug("detail", "a=%d", 1);
    cr_expect_str_eq(next_write(), "");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("detail", "a=%d", 1);
    cr_expect(matches(next_write(), "debug detail a=1\n$"));
    log_set_level(LOG_LEVEL_ERROR);
    log_warn("trouble", "a=%d", 1);
    cr_expect_str_eq(next_write(), "");
}

Test(log, a_value_can_not_forge_a_line)
{
    log_info("got", "key=%s", "a\nb\r\x1b[2J\x7f");
    cr_expect(matches(next_write(), "key=a\\?b\\?\\?\\[2J\\?\n$"));
}

Test(log, a_line_past_the_limit_is_marked_as_cut)
{
    static char value[20000];
    memset(value, 'x', sizeof(value) - 1);
    log_info("long", "value=%s", value);
    char all[16384] = "";
    size_t len = 0;
    for (const char *part = next_write(); *part; part = next_write()) {
        memcpy(all + len, part, strlen(part) + 1);
        len += strlen(part);
    }
    cr_expect_lt(len, 9000);
    cr_expect_str_eq(all + len - 5, "x...\n");
}

Test(log, errno_survives)
{
    errno = EXDEV;
    log_info("any", "a=%d", 1);
    cr_expect_eq(errno, EXDEV);
}

Test(errors, parents_names_and_texts_come_from_the_table)
{
    cr_expect_eq(cairn_errno(0), 0);
    cr_expect_eq(cairn_errno(5), 0);
    cr_expect_eq(cairn_errno(-ENOSPC), ENOSPC);
    cr_expect_eq(cairn_errno(CAIRN_ENOKEY), ENOENT);
    cr_expect_eq(cairn_errno(CAIRN_EQUORUM), EIO);
    cr_expect_eq(cairn_errno(-999999), EIO);
    cr_expect_str_eq(cairn_strerror(0), "success");
    cr_expect_str_eq(cairn_strerror(-ENOENT), "no such file or directory");
    cr_expect_str_eq(cairn_strerror(CAIRN_EBITROT), "stored bytes do not match their checksum");
    cr_expect_str_eq(cairn_strerror(-4000), "unknown error");
    cr_expect_str_eq(cairn_strerror(-250), "unknown error");
    cr_expect_str_eq(cairn_strerror(-999999), "unknown error");
    cr_expect_str_eq(cairn_errname(CAIRN_ENOKEY), "CAIRN_ENOKEY");
    cr_expect_str_eq(cairn_errname(-EEXIST), "EEXIST");
    cr_expect_str_eq(cairn_errname(-999999), "EUNKNOWN");
    cr_expect_str_eq(cairn_errname(0), "OK");
}

Test(clock, hands_can_be_set_and_never_go_back)
{
    int64_t mono = clock_mono_ns(), real = clock_real_ns();
    clock_shift_ns(3600 * NS_PER_SEC);
    cr_expect_geq(clock_mono_ns() - mono, 3600 * NS_PER_SEC);
    cr_expect_geq(clock_real_ns() - real, 3590 * NS_PER_SEC);
    cr_expect_gt(real, 1500000000 * NS_PER_SEC);
}
