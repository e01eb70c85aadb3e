/*
 * The date forms of HTTP and S3, from and to nanoseconds since 1970, UTC. No locale, no time zone, no libc calendar.
 * Parsers take the whole span or answer CAIRN_ESYNTAX, also for days that do not exist. Nanoseconds reach from 1677 to
 * 2262; a date beyond becomes INT64_MIN or INT64_MAX.
 */
#ifndef CAIRN_WIRE_DATE_H
#define CAIRN_WIRE_DATE_H

#include "objstore/base/span.h"

#define DATE_BASIC_SIZE 17 /* "20130524T000000Z" and a NUL */
#define DATE_MS_SIZE 25    /* "2013-05-24T00:00:00.000Z" and a NUL */
#define DATE_HTTP_SIZE 30  /* "Fri, 24 May 2013 00:00:00 GMT" and a NUL */

/* "20130524T000000Z": x-amz-date. */
int date_parse_basic(struct span s, int64_t *ret_ns);
/* "2013-05-24T00:00:00[.fraction](Z|+hh:mm|-hh:mm)", or the day alone: XML documents, policy expirations. */
int date_parse_iso(struct span s, int64_t *ret_ns);
/* The three forms of RFC 9110 5.6.7: IMF-fixdate (also with the zones "UTC", "+hhmm" and "-hhmm"), RFC 850 (its year is
 * the one nearest now_ns that ends in these two digits, at most 50 years ahead), asctime. */
int date_parse_http(struct span s, int64_t now_ns, int64_t *ret_ns);

void date_format_basic(int64_t ns, char ret[DATE_BASIC_SIZE]);
void date_format_ms(int64_t ns, char ret[DATE_MS_SIZE]);
void date_format_http(int64_t ns, char ret[DATE_HTTP_SIZE]);

#endif
