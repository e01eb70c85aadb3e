#include "objstore/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "objstore/base/clock.h"

/* One event is one write(2) from the stack, so that lines of several threads and processes never mix and a log line
 * needs no memory. What is longer, far above any event of ours, ends in CUT. */
enum { LINE_SIZE = 8 * 1024 };
#define CUT "..."

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static _Atomic int max_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    max_level = (int)level;
}

static size_t put_prefix(char *line, enum log_level level, const char *event)
{
    int64_t now = clock_real_ns();
    time_t seconds = (time_t)(now / NS_PER_SEC);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    int len = snprintf(line, LINE_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s %s ", utc.tm_year + 1900,
                       utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                       (int)(now % NS_PER_SEC / NS_PER_MS), level_names[level], event);
    return len < 0 ? 0 : (size_t)len < LINE_SIZE ? (size_t)len : LINE_SIZE - 1;
}

/* Text from a peer that holds a line break must not be able to forge a line. */
static void blot_controls(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = '?';
}

/* A log that can't be written is nothing a program could report, so errors but EINTR end the line. */
static void write_line(const char *line, size_t len)
{
    while (len) {
        ssize_t n = write(STDERR_FILENO, line, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        line += n;
        len -= (size_t)n;
    }
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
    if ((int)level > max_level)
        return;
    int saved = errno;
    char line[LINE_SIZE];
    size_t at = put_prefix(line, level, event);
    va_list args;
    va_start(args, fmt);
    int more = vsnprintf(line + at, LINE_SIZE - at, fmt, args);
    va_end(args);
    size_t len = at + (more < 0 ? 0 : (size_t)more);
    if (len >= LINE_SIZE) {
        len = LINE_SIZE - 1;
        memcpy(line + len - strlen(CUT), CUT, strlen(CUT));
    }
    while (len && line[len - 1] == ' ')
        len--;
    blot_controls(line, len);
    line[len++] = '\n';
    write_line(line, len);
    errno = saved;
}
