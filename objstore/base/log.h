/*
 * Log: one line per event on standard error, "time level event key=value …". Only programs and their server or fs
 * layers log; libraries below answer errors. Never a secret, a signature or a body. Any thread.
 */
#ifndef CAIRN_BASE_LOG_H
#define CAIRN_BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);
/* event is a fixed word; fmt gives "key=value key=value" with values that hold blanks already quoted. Control
 * characters become "?", a line past 8 KiB is cut and ends in "...". Events above the level, INFO at first, are
 * dropped. Leaves errno alone. */
void log_event(enum log_level level, const char *event, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define log_error(event, ...) log_event(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...)  log_event(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_info(event, ...)  log_event(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_debug(event, ...) log_event(LOG_LEVEL_DEBUG, event, __VA_ARGS__)

#endif
