#include "objstore/base/options.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "objstore/base/clock.h"
#include "objstore/base/span.h"

struct unit {
    const char *suffix;
    uint64_t factor;
};

static const struct unit sizes[] = {
    {"", 1}, {"K", 1ULL << 10}, {"M", 1ULL << 20}, {"G", 1ULL << 30}, {"T", 1ULL << 40}};
static const struct unit times[] = {{"ms", NS_PER_MS}, {"s", NS_PER_SEC}, {"m", 60 * NS_PER_SEC}};

static const struct {
    const char *word;
    bool value;
} flag_words[] = {{"1", true},      {"true", true}, {"yes", true},  {"on", true}, {"0", false},
                  {"false", false}, {"no", false},  {"off", false}, {"", false}};

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static int parse_scaled(const char *text, const struct unit *units, size_t count, uint64_t *ret_value)
{
    struct span number = span_make(text, strspn(text, "0123456789"));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text + number.len, units[i].suffix) != 0)
            continue;
        uint64_t value;
        int rc = span_to_u64(number, &value);
        if (rc < 0)
            return rc;
        return __builtin_mul_overflow(value, units[i].factor, ret_value) ? -ERANGE : 0;
    }
    return -EINVAL;
}

static int set_u64(const char *text, uint64_t *target)
{
    uint64_t value;
    int rc = parse_scaled(text, sizes, COUNT(sizes), &value);
    if (rc == 0)
        *target = value;
    return rc;
}

static int set_ms(const char *text, int64_t *target)
{
    uint64_t value;
    int rc = parse_scaled(text, times, COUNT(times), &value);
    if (rc == 0 && value > INT64_MAX)
        rc = -ERANGE;
    if (rc == 0)
        *target = (int64_t)value;
    return rc;
}

static int set_flag(const char *text, bool *target)
{
    for (size_t i = 0; i < COUNT(flag_words); i++) {
        if (strcmp(text, flag_words[i].word) == 0) {
            *target = flag_words[i].value;
            return 0;
        }
    }
    return -EINVAL;
}

static int add_item(const char *text, struct option_list *list)
{
    if (list->count == COUNT(list->items))
        return -ERANGE;
    list->items[list->count++] = text;
    return 0;
}

int option_value(enum option_type type, const char *text, void *target)
{
    switch (type) {
    case OPTION_FLAG:
        return set_flag(text, target);
    case OPTION_STRING:
        *(const char **)target = text;
        return 0;
    case OPTION_LIST:
        return add_item(text, target);
    case OPTION_U64:
        return set_u64(text, target);
    case OPTION_MS:
        return set_ms(text, target);
    }
    return -EINVAL;
}

/* What a value of each type looks like, for messages. */
static const char *const expected[] = {
    [OPTION_FLAG] = "true or false",
    [OPTION_STRING] = "any text",
    [OPTION_LIST] = "at most 64 values",
    [OPTION_U64] = "a number such as 512, 64K or 10G",
    [OPTION_MS] = "a time such as 500ms, 30s or 5m",
};

struct parser {
    const struct option_row *table;
    const char *program;
    uint64_t seen; /* bit i: row i was on the command line, so the environment does not count */
};

/* dashes and name say where the value came from. */
static int apply(const struct parser *p, const struct option_row *row, const char *dashes, const char *name,
                 const char *text)
{
    int rc = option_value(row->type, text, row->target);
    if (rc == -ERANGE && row->type != OPTION_LIST)
        fprintf(stderr, "%s: %s%s: '%s' is too large\n", p->program, dashes, name, text);
    else if (rc < 0)
        fprintf(stderr, "%s: %s%s: '%s' is not accepted; expected %s\n", p->program, dashes, name, text,
                expected[row->type]);
    return rc < 0 ? -EINVAL : 0;
}

/* The items of a variable stand in a copy of it that lives as long as the process, as the variable itself does. */
static int apply_env_list(const struct parser *p, const struct option_row *row, const char *name, const char *text)
{
    char *copy = strdup(text), *rest = copy;
    if (!copy) {
        fprintf(stderr, "%s: %s: out of memory\n", p->program, name);
        return -ENOMEM;
    }
    int rc = 0;
    for (char *item = strtok_r(copy, ", \t\n", &rest); item && rc == 0; item = strtok_r(NULL, ", \t\n", &rest))
        rc = apply(p, row, "", name, item);
    return rc;
}

static int parse_env(const struct parser *p)
{
    for (size_t i = 0; p->table[i].name; i++) {
        const struct option_row *row = &p->table[i];
        const char *name = row->env;
        const char *text = name ? getenv(name) : NULL;
        if (!text && row->env_alias)
            text = getenv(name = row->env_alias);
        if (!text || p->seen >> i & 1)
            continue;
        int rc = row->type == OPTION_LIST ? apply_env_list(p, row, name, text) : apply(p, row, "", name, text);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static const struct option_row *find_row(const struct option_row *table, struct span name, bool is_letter)
{
    for (const struct option_row *row = table; row->name; row++)
        if (is_letter ? name.len == 1 && row->letter == name.ptr[0] : span_is(name, row->name))
            return row;
    return NULL;
}

/* One option at argv[at]; returns how many words it took. */
static int parse_option(struct parser *p, char **argv, int at)
{
    bool is_letter = argv[at][1] != '-';
    const char *dashes = is_letter ? "-" : "--";
    struct span value = span_cstr(argv[at] + (is_letter ? 1 : 2));
    struct span name = is_letter ? value : span_cut(&value, '=');
    const struct option_row *row = find_row(p->table, name, is_letter);
    if (!row) {
        fprintf(stderr, "%s: unknown option %s" SPAN_FMT "; --help lists them\n", p->program, dashes, SPAN_ARG(name));
        return -EINVAL;
    }
    p->seen |= 1ULL << (row - p->table);
    bool attached = !is_letter && value.ptr;
    const char *text = attached ? value.ptr : row->type == OPTION_FLAG ? "true" : argv[at + 1];
    if (!text) {
        fprintf(stderr, "%s: %s" SPAN_FMT " needs a value (%s)\n", p->program, dashes, SPAN_ARG(name), row->metavar);
        return -EINVAL;
    }
    int rc = apply(p, row, is_letter ? "-" : "--", is_letter ? (char[]){row->letter, 0} : row->name, text);
    return rc < 0 ? rc : attached || row->type == OPTION_FLAG ? 1 : 2;
}

static int parse_argv(struct parser *p, int argc, char **argv, char **ret_operands, int *ret_count)
{
    int count = 0;
    bool options_end = false;
    for (int at = 1; at < argc;) {
        if (options_end || argv[at][0] != '-' || argv[at][1] == '\0') {
            ret_operands[count++] = argv[at++];
        } else if (strcmp(argv[at], "--") == 0) {
            options_end = true;
            at++;
        } else {
            int took = parse_option(p, argv, at);
            if (took < 0)
                return took;
            at += took;
        }
    }
    *ret_count = count;
    return 0;
}

int options_parse(const struct option_row *table, int argc, char **argv, char **ret_operands, int *ret_count)
{
    struct parser p = {.table = table, .program = argc > 0 ? basename(argv[0]) : "cairn"};
    size_t rows = 0;
    while (table[rows].name)
        rows++;
    assert(rows <= 64);
    int rc = parse_argv(&p, argc, argv, ret_operands, ret_count);
    return rc < 0 ? rc : parse_env(&p);
}

static void print_env(const struct option_row *row, FILE *out)
{
    if (row->env && row->env_alias)
        fprintf(out, " [%s, %s]", row->env, row->env_alias);
    else if (row->env || row->env_alias)
        fprintf(out, " [%s]", row->env ? row->env : row->env_alias);
}

void options_help(const struct option_row *table, FILE *out)
{
    enum { COLUMN = 30 };
    for (const struct option_row *row = table; row->name; row++) {
        const char *metavar = row->metavar ? row->metavar : "";
        int at = fprintf(out, row->letter ? "  -%c, " : "      ", row->letter);
        at += fprintf(out, "--%s%s%s", row->name, *metavar ? " " : "", metavar);
        fprintf(out, at < COLUMN - 1 ? "%*s%s" : "\n%*s%s", at < COLUMN - 1 ? COLUMN - at : COLUMN, "", row->help);
        print_env(row, out);
        fputc('\n', out);
    }
}
