#include "objstore/base/options.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool foreground;
static const char *region;
static struct option_list addresses;
static uint64_t limit;
static int64_t timeout;

static const struct option_row table[] = {
    {"foreground", 'f', OPTION_FLAG, &foreground, NULL, "T_FOREGROUND", NULL, "stay in the foreground"},
    {"region", 'r', OPTION_STRING, &region, "NAME", "T_REGION", "T_OLD_REGION", "region to sign for"},
    {"address", 0, OPTION_LIST, &addresses, "HOST:PORT", "T_ADDRESS", NULL, "listen here"},
    {"limit", 'l', OPTION_U64, &limit, "BYTES", NULL, "T_OLD_LIMIT", "memory limit"},
    {"a-rather-long-name-of-an-option", 0, OPTION_MS, &timeout, "TIME", NULL, NULL, "deadline"},
    {0},
};

static char *operands[16];
static int operand_count;

#define PARSE(...) parse((char *[]){"/usr/bin/prog", __VA_ARGS__, NULL})

static int parse(char **argv)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    return options_parse(table, argc, argv, operands, &operand_count);
}

/* Runs the parse with standard error in ret_text. */
static int parse_saying(char **argv, char *ret_text, size_t size)
{
    int pipes[2], saved = dup(STDERR_FILENO);
    cr_assert_eq(pipe(pipes), 0);
    dup2(pipes[1], STDERR_FILENO);
    close(pipes[1]);
    int rc = parse(argv);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t n = read(pipes[0], ret_text, size - 1);
    ret_text[n > 0 ? n : 0] = '\0';
    close(pipes[0]);
    return rc;
}

Test(options, every_spelling_is_understood)
{
    cr_assert_eq(PARSE("one", "--region", "eu", "-f", "--limit=64K", "-", "--address", "a:1", "--address=b:2",
                       "--a-rather-long-name-of-an-option", "5m", "--", "--two"),
                 0);
    cr_expect(foreground);
    cr_expect_str_eq(region, "eu");
    cr_expect_eq(limit, 65536);
    cr_expect_eq(timeout, 300000000000LL);
    cr_expect_eq(addresses.count, 2);
    cr_expect_str_eq(addresses.items[1], "b:2");
    cr_expect_eq(operand_count, 3);
    cr_expect_str_eq(operands[0], "one");
    cr_expect_str_eq(operands[1], "-");
    cr_expect_str_eq(operands[2], "--two");
}

Test(options, values_may_be_empty_or_begin_with_a_dash)
{
    cr_assert_eq(PARSE("--region="), 0);
    cr_expect_str_eq(region, "");
    cr_assert_eq(PARSE("-r", "--limit", "--region=a=b"), 0);
    cr_expect_str_eq(region, "a=b");
    cr_expect_eq(limit, 0);
}

Test(options, environment_beats_alias_and_command_line_beats_both)
{
    setenv("T_OLD_REGION", "alias", 1);
    setenv("T_OLD_LIMIT", "3", 1);
    cr_assert_eq(PARSE("x"), 0);
    cr_expect_str_eq(region, "alias");
    cr_expect_eq(limit, 3);
    setenv("T_REGION", "env", 1);
    cr_assert_eq(PARSE("x"), 0);
    cr_expect_str_eq(region, "env");
    cr_assert_eq(PARSE("-r", "line"), 0);
    cr_expect_str_eq(region, "line");
}

Test(options, a_list_in_the_environment_is_split_and_replaced_by_the_command_line)
{
    setenv("T_ADDRESS", "a:1, b:2", 1);
    cr_assert_eq(PARSE("x"), 0);
    cr_expect_eq(addresses.count, 2);
    cr_expect_str_eq(addresses.items[0], "a:1");
    cr_expect_str_eq(addresses.items[1], "b:2");
    addresses.count = 0;
    cr_assert_eq(PARSE("--address", "c:3"), 0);
    cr_expect_eq(addresses.count, 1);
    cr_expect_str_eq(addresses.items[0], "c:3");
}

Test(options, a_flag_can_be_cleared)
{
    setenv("T_FOREGROUND", "on", 1);
    cr_assert_eq(PARSE("x"), 0);
    cr_expect(foreground);
    cr_assert_eq(PARSE("--foreground=no"), 0);
    cr_expect_not(foreground);
}

struct complaint {
    char *argv[4];
    const char *says;
};

Test(options, errors_say_what_is_wrong)
{
    static struct complaint rows[] = {
        {{"prog", "--nope=1"}, "prog: unknown option --nope; "},
        {{"prog", "-x"}, "prog: unknown option -x; "},
        {{"prog", "-fr"}, "prog: unknown option -fr; "},
        {{"prog", "--region"}, "prog: --region needs a value (NAME)"},
        {{"prog", "-l", "12Q"}, "prog: -l: '12Q' is not accepted; expected a number"},
        {{"prog", "--limit", "99999999999T"}, "prog: --limit: '99999999999T' is too large"},
        {{"prog", "--foreground=maybe"}, "prog: --foreground: 'maybe' is not accepted; expected true or false"},
    };
    char text[300];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_eq(parse_saying(rows[i].argv, text, sizeof(text)), -EINVAL);
        cr_expect_eq(strncmp(text, rows[i].says, strlen(rows[i].says)), 0, "%s", text);
    }
}

Test(options, a_bad_variable_is_named)
{
    char text[300];
    setenv("T_OLD_LIMIT", "lots", 1);
    cr_expect_eq(parse_saying((char *[]){"prog", NULL}, text, sizeof(text)), -EINVAL);
    cr_expect_not_null(strstr(text, "prog: T_OLD_LIMIT: 'lots'"));
    cr_expect_eq(PARSE("--limit", "1"), 0, "the command line wins, so the variable is not read");
}

Test(options, a_list_is_bounded)
{
    struct option_list list = {.count = 0};
    for (int i = 0; i < 64; i++)
        cr_assert_eq(option_value(OPTION_LIST, "x", &list), 0);
    cr_expect_eq(option_value(OPTION_LIST, "x", &list), -ERANGE);
}

Test(options, sizes_and_times_are_strict)
{
    static const char *const bad_sizes[] = {"", "K", "-1", "1k", "1KB", "1 K", "0x10", "1.5G"};
    static const char *const bad_times[] = {"", "1", "ms", "1h", "-1s", "1 s", "1.5s"};
    uint64_t size = 7;
    int64_t ns = 7;
    for (size_t i = 0; i < sizeof(bad_sizes) / sizeof(bad_sizes[0]); i++)
        cr_expect_eq(option_value(OPTION_U64, bad_sizes[i], &size), -EINVAL, "%s", bad_sizes[i]);
    for (size_t i = 0; i < sizeof(bad_times) / sizeof(bad_times[0]); i++)
        cr_expect_eq(option_value(OPTION_MS, bad_times[i], &ns), -EINVAL, "%s", bad_times[i]);
    cr_expect_eq(option_value(OPTION_U64, "16777216T", &size), -ERANGE);
    cr_expect_eq(option_value(OPTION_MS, "9223372037s", &ns), -ERANGE);
    cr_expect_eq(size, 7);
    cr_expect_eq(ns, 7);
    cr_expect_eq(option_value(OPTION_U64, "16777215T", &size), 0);
    cr_expect_eq(size, 16777215ULL << 40);
    cr_expect_eq(option_value(OPTION_MS, "500ms", &ns), 0);
    cr_expect_eq(ns, 500000000);
}

Test(options, help_shows_every_row_and_its_variables)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    options_help(table, out);
    fclose(out);
    cr_expect_not_null(strstr(text, "  -f, --foreground            stay in the foreground [T_FOREGROUND]\n"));
    cr_expect_not_null(strstr(text, "  -r, --region NAME           region to sign for [T_REGION, T_OLD_REGION]\n"));
    cr_expect_not_null(strstr(text, "      --address HOST:PORT     listen here"));
    cr_expect_not_null(strstr(text, "[T_OLD_LIMIT]"));
    cr_expect_not_null(
        strstr(text, "--a-rather-long-name-of-an-option TIME\n                              deadline\n"));
    free(text);
}
