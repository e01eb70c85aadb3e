/*
 * Options: a program's command line and environment as one table, read by the parser and by --help alike.
 * "--name VALUE", "--name=VALUE" and "-n VALUE" are understood; "--" ends the options.
 */
#ifndef CAIRN_BASE_OPTIONS_H
#define CAIRN_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_type {
    OPTION_FLAG,   /* bool *: set to true; --name=VALUE and a variable say true, yes, on, 1 or false, no, off, 0 */
    OPTION_STRING, /* const char **: points into argv or the environment */
    OPTION_LIST,   /* struct option_list *: may be given several times; a variable holds items cut by commas or blanks */
    OPTION_U64,    /* uint64_t *: decimal, with K, M, G, T for powers of 1024 */
    OPTION_MS      /* int64_t *: nanoseconds, written as 500ms, 30s, 5m */
};

struct option_list {
    const char *items[64];
    size_t      count;
};

struct option_row {
    const char      *name;     /* "address", without dashes; NULL ends the table */
    char             letter;   /* 'f', or 0 */
    enum option_type type;
    void            *target;
    const char      *metavar;  /* "HOST:PORT", NULL for a flag */
    const char      *env;      /* "CAIRN_ADDRESS", or NULL; the command line wins */
    const char      *env_alias;/* "MINIO_ADDRESS", or NULL; env wins */
    const char      *help;     /* one line */
};

/* Fills the targets of table (at most 64 rows) from argv[1…], and those not named there from the environment; what is
 * no option is moved to ret_operands (room for argc pointers). What targets hold stays valid as long as argv and the
 * environment do. 0; -EINVAL or -ENOMEM after having printed what is wrong to standard error. Call it before there are
 * threads. */
int options_parse(const struct option_row *table, int argc, char **argv, char **ret_operands, int *ret_count);
/* Prints the table for --help. */
void options_help(const struct option_row *table, FILE *out);
/* One value of the given type; -EINVAL, -ERANGE. */
int option_value(enum option_type type, const char *text, void *target);

#endif
