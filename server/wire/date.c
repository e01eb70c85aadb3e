#include "server/wire/date.h"

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"

#define DAYS_TO_1970 719162 /* from 0001-01-01, in the Gregorian calendar extended backwards */
#define SECS_PER_DAY 86400

static const char *const month_names[12] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const day_names[7] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
static const int days_before_month[13] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};

struct civil {
    int year, month, day; /* from 1 */
    int hour, minute, second;
    int offset_s; /* east of UTC */
    int64_t frac_ns;
};

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month)
{
    return days_before_month[month] - days_before_month[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 0001-01-01 to the first of January. */
static int64_t days_before_year(int year)
{
    int64_t past = year - 1;
    return past * 365 + past / 4 - past / 100 + past / 400;
}

static int64_t civil_days(int year, int month, int day)
{
    return days_before_year(year) + days_before_month[month - 1] + (month > 2 && is_leap(year)) + day - 1 -
           DAYS_TO_1970;
}

static bool civil_is_valid(const struct civil *c)
{
    return c->year >= 1 && c->month >= 1 && c->month <= 12 && c->day >= 1 &&
           c->day <= days_in_month(c->year, c->month) && c->hour <= 23 && c->minute <= 59 && c->second <= 60;
}

/* Years that nanoseconds can not reach become the farthest that they can: such a date still compares rightly. */
static int civil_to_ns(const struct civil *c, int64_t *ret_ns)
{
    if (!civil_is_valid(c))
        return CAIRN_ESYNTAX;
    int64_t s = civil_days(c->year, c->month, c->day) * SECS_PER_DAY + c->hour * 3600 + c->minute * 60 + c->second -
                c->offset_s;
    int64_t ns;
    if (__builtin_mul_overflow(s, (int64_t)NS_PER_SEC, &ns) || __builtin_add_overflow(ns, c->frac_ns, &ns))
        ns = s < 0 ? INT64_MIN : INT64_MAX;
    *ret_ns = ns;
    return 0;
}

static struct civil civil_of_ns(int64_t ns)
{
    int64_t s = ns / NS_PER_SEC - (ns % NS_PER_SEC < 0);
    int64_t day = s / SECS_PER_DAY - (s % SECS_PER_DAY < 0);
    int rest = (int)(s - day * SECS_PER_DAY);
    int64_t n = day + DAYS_TO_1970;

    struct civil c = {.frac_ns = (ns % NS_PER_SEC + NS_PER_SEC) % NS_PER_SEC};
    c.year = (int)(n / 366) + 1; /* never too late, and some five years too early at most */
    while (days_before_year(c.year + 1) <= n)
        c.year++;
    int left = (int)(n - days_before_year(c.year));
    for (c.month = 1; left >= days_in_month(c.year, c.month); c.month++)
        left -= days_in_month(c.year, c.month);
    c.day = left + 1;
    c.hour = rest / 3600;
    c.minute = rest / 60 % 60;
    c.second = rest % 60;
    return c;
}

/* A cursor over the text; after the first mismatch all further steps do nothing. */
struct scan {
    struct span s;
    bool bad;
};

static void scan_lit(struct scan *in, const char *literal)
{
    struct span lit = span_cstr(literal);
    in->bad = in->bad || !span_starts(in->s, lit);
    if (!in->bad)
        in->s = span_from(in->s, lit.len);
}

static int scan_digits(struct scan *in, size_t count)
{
    int value = 0;
    in->bad = in->bad || in->s.len < count;
    for (size_t i = 0; !in->bad && i < count; i++) {
        char c = in->s.ptr[i];
        in->bad = c < '0' || c > '9';
        value = value * 10 + (c - '0');
    }
    if (in->bad)
        return 0;
    in->s = span_from(in->s, count);
    return value;
}

/* The place in names (from 1) of the one that comes next, of which len bytes count (0: all). */
static int scan_name(struct scan *in, const char *const *names, int count, size_t len)
{
    for (int i = 0; !in->bad && i < count; i++) {
        struct span name = span_cstr(names[i]);
        if (len > 0)
            name = span_head(name, len);
        if (span_starts(in->s, name)) {
            in->s = span_from(in->s, name.len);
            return i + 1;
        }
    }
    in->bad = true;
    return 0;
}

static void scan_clock(struct scan *in, struct civil *c)
{
    c->hour = scan_digits(in, 2);
    scan_lit(in, ":");
    c->minute = scan_digits(in, 2);
    scan_lit(in, ":");
    c->second = scan_digits(in, 2);
}

static int scan_end(const struct scan *in, const struct civil *c, int64_t *ret_ns)
{
    return in->bad || in->s.len > 0 ? CAIRN_ESYNTAX : civil_to_ns(c, ret_ns);
}

int date_parse_basic(struct span s, int64_t *ret_ns)
{
    struct scan in = {s, false};
    struct civil c = {0};
    c.year = scan_digits(&in, 4);
    c.month = scan_digits(&in, 2);
    c.day = scan_digits(&in, 2);
    scan_lit(&in, "T");
    c.hour = scan_digits(&in, 2);
    c.minute = scan_digits(&in, 2);
    c.second = scan_digits(&in, 2);
    scan_lit(&in, "Z");
    return scan_end(&in, &c, ret_ns);
}

static bool scan_next_is(const struct scan *in, char c)
{
    return !in->bad && in->s.len > 0 && in->s.ptr[0] == c;
}

/* Digits past the ninth are read over. */
static int64_t scan_fraction(struct scan *in)
{
    int64_t value = 0, unit = NS_PER_SEC / 10;
    size_t digits = 0;
    scan_lit(in, ".");
    while (!in->bad && digits < in->s.len && in->s.ptr[digits] >= '0' && in->s.ptr[digits] <= '9') {
        value += (in->s.ptr[digits++] - '0') * unit;
        unit /= 10;
    }
    in->bad = in->bad || digits == 0;
    in->s = span_from(in->s, digits);
    return value;
}

static int scan_zone(struct scan *in)
{
    bool west = scan_next_is(in, '-');
    if (!west && !scan_next_is(in, '+')) {
        scan_lit(in, "Z");
        return 0;
    }
    scan_lit(in, west ? "-" : "+");
    int hours = scan_digits(in, 2);
    scan_lit(in, ":");
    int minutes = scan_digits(in, 2);
    in->bad = in->bad || hours > 23 || minutes > 59;
    return (west ? -1 : 1) * (hours * 3600 + minutes * 60);
}

int date_parse_iso(struct span s, int64_t *ret_ns)
{
    struct scan in = {s, false};
    struct civil c = {0};
    c.year = scan_digits(&in, 4);
    scan_lit(&in, "-");
    c.month = scan_digits(&in, 2);
    scan_lit(&in, "-");
    c.day = scan_digits(&in, 2);
    if (in.s.len > 0) {
        scan_lit(&in, "T");
        scan_clock(&in, &c);
        if (scan_next_is(&in, '.'))
            c.frac_ns = scan_fraction(&in);
        c.offset_s = scan_zone(&in);
    }
    return scan_end(&in, &c, ret_ns);
}

/* GMT, or as RFC 5322 writes it: libraries that make mail dates send "-0000". */
static int scan_http_zone(struct scan *in)
{
    scan_lit(in, " ");
    bool west = scan_next_is(in, '-');
    if (!west && !scan_next_is(in, '+')) {
        scan_lit(in, span_starts(in->s, SPAN_LIT("UTC")) ? "UTC" : "GMT");
        return 0;
    }
    scan_lit(in, west ? "-" : "+");
    int hours = scan_digits(in, 2), minutes = scan_digits(in, 2);
    in->bad = in->bad || hours > 23 || minutes > 59;
    return (west ? -1 : 1) * (hours * 3600 + minutes * 60);
}

static int parse_imf_fixdate(struct span s, int64_t *ret_ns)
{
    struct scan in = {s, false};
    struct civil c = {0};
    scan_name(&in, day_names, 7, 3);
    scan_lit(&in, ", ");
    c.day = scan_digits(&in, 2);
    scan_lit(&in, " ");
    c.month = scan_name(&in, month_names, 12, 0);
    scan_lit(&in, " ");
    c.year = scan_digits(&in, 4);
    scan_lit(&in, " ");
    scan_clock(&in, &c);
    c.offset_s = scan_http_zone(&in);
    return scan_end(&in, &c, ret_ns);
}

static int parse_rfc850(struct span s, int64_t now_ns, int64_t *ret_ns)
{
    struct scan in = {s, false};
    struct civil c = {0};
    scan_name(&in, day_names, 7, 0);
    scan_lit(&in, ", ");
    c.day = scan_digits(&in, 2);
    scan_lit(&in, "-");
    c.month = scan_name(&in, month_names, 12, 0);
    scan_lit(&in, "-");
    int latest = civil_of_ns(now_ns).year + 50;
    int year = scan_digits(&in, 2);
    c.year = latest - (latest - year) % 100;
    scan_lit(&in, " ");
    scan_clock(&in, &c);
    scan_lit(&in, " GMT");
    return scan_end(&in, &c, ret_ns);
}

static int parse_asctime(struct span s, int64_t *ret_ns)
{
    struct scan in = {s, false};
    struct civil c = {0};
    scan_name(&in, day_names, 7, 3);
    scan_lit(&in, " ");
    c.month = scan_name(&in, month_names, 12, 0);
    scan_lit(&in, " ");
    bool short_day = scan_next_is(&in, ' ');
    if (short_day)
        scan_lit(&in, " ");
    c.day = scan_digits(&in, short_day ? 1 : 2);
    scan_lit(&in, " ");
    scan_clock(&in, &c);
    scan_lit(&in, " ");
    c.year = scan_digits(&in, 4);
    return scan_end(&in, &c, ret_ns);
}

int date_parse_http(struct span s, int64_t now_ns, int64_t *ret_ns)
{
    if (parse_imf_fixdate(s, ret_ns) == 0 || parse_rfc850(s, now_ns, ret_ns) == 0 || parse_asctime(s, ret_ns) == 0)
        return 0;
    return CAIRN_ESYNTAX;
}

/* Writes value with exactly width digits at p and answers where the next goes: signing needs a timestamp per request,
 * and printf would cost as much as an HMAC. */
static char *put_digits(char *p, int width, int value)
{
    for (int i = width - 1; i >= 0; i--, value /= 10)
        p[i] = (char)('0' + value % 10);
    return p + width;
}

static char *put_text(char *p, const char *text, size_t len)
{
    memcpy(p, text, len);
    return p + len;
}

static char *put_clock(char *p, const struct civil *c)
{
    p = put_digits(p, 2, c->hour);
    *p++ = ':';
    p = put_digits(p, 2, c->minute);
    *p++ = ':';
    return put_digits(p, 2, c->second);
}

void date_format_basic(int64_t ns, char ret[DATE_BASIC_SIZE])
{
    struct civil c = civil_of_ns(ns);
    char *p = put_digits(ret, 4, c.year);
    p = put_digits(p, 2, c.month);
    p = put_digits(p, 2, c.day);
    *p++ = 'T';
    p = put_digits(p, 2, c.hour);
    p = put_digits(p, 2, c.minute);
    p = put_digits(p, 2, c.second);
    put_text(p, "Z", 2);
}

void date_format_ms(int64_t ns, char ret[DATE_MS_SIZE])
{
    struct civil c = civil_of_ns(ns);
    char *p = put_digits(ret, 4, c.year);
    *p++ = '-';
    p = put_digits(p, 2, c.month);
    *p++ = '-';
    p = put_digits(p, 2, c.day);
    *p++ = 'T';
    p = put_clock(p, &c);
    *p++ = '.';
    p = put_digits(p, 3, (int)(c.frac_ns / NS_PER_MS));
    put_text(p, "Z", 2);
}

void date_format_http(int64_t ns, char ret[DATE_HTTP_SIZE])
{
    struct civil c = civil_of_ns(ns);
    /* 0001-01-01 was a Monday */
    int64_t weekday = (civil_days(c.year, c.month, c.day) + DAYS_TO_1970) % 7;
    char *p = put_text(ret, day_names[weekday], 3);
    p = put_text(p, ", ", 2);
    p = put_digits(p, 2, c.day);
    *p++ = ' ';
    p = put_text(p, month_names[c.month - 1], 3);
    *p++ = ' ';
    p = put_digits(p, 4, c.year);
    *p++ = ' ';
    p = put_clock(p, &c);
    put_text(p, " GMT", 5);
}
