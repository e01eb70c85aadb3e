#include "objstore/base/errors.h"

#include <ctype.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct error_row {
    int code;
    int parent;
    const char *name;
    const char *text;
};

static const struct error_row rows[] = {
#define X(name, number, parent, text) {number, parent, #name, text},
    CAIRN_ERRORS(X)
#undef X
};

enum { ERRNO_END = 4096, ERRNO_KNOWN = 256, ERRNO_TEXT = 64 };

static const struct error_row *find_row(int code)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].code == code)
            return &rows[i];
    return NULL;
}

static bool is_errno(int code)
{
    return code < 0 && code > -ERRNO_END;
}

int cairn_errno(int code)
{
    if (code >= 0)
        return 0;
    if (is_errno(code))
        return -code;
    const struct error_row *row = find_row(code);
    return row ? row->parent : EIO;
}

/* libc's texts begin with a capital; ours do not, so that they read well after "key: ". */
static char errno_texts[ERRNO_KNOWN][ERRNO_TEXT];
static pthread_once_t errno_texts_once = PTHREAD_ONCE_INIT;

static void fill_errno_texts(void)
{
    for (int e = 0; e < ERRNO_KNOWN; e++) {
        const char *text = strerrordesc_np(e);
        snprintf(errno_texts[e], ERRNO_TEXT, "%s", text ? text : "unknown error");
        if (islower((unsigned char)errno_texts[e][1]))
            errno_texts[e][0] = (char)tolower((unsigned char)errno_texts[e][0]);
    }
}

const char *cairn_strerror(int code)
{
    if (code >= 0)
        return "success";
    const struct error_row *row = find_row(code);
    if (row)
        return row->text;
    if (code <= -ERRNO_KNOWN)
        return "unknown error";
    pthread_once(&errno_texts_once, fill_errno_texts);
    return errno_texts[-code];
}

const char *cairn_errname(int code)
{
    if (code >= 0)
        return "OK";
    const struct error_row *row = find_row(code);
    if (row)
        return row->name;
    const char *name = is_errno(code) ? strerrorname_np(-code) : NULL;
    return name ? name : "EUNKNOWN";
}
