#include "fs/credentials.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objstore/base/errors.h"

/* What is found while the lines go by; spans of the text. */
struct finding {
    struct span profile, bucket;
    bool in_profile;
    struct span ini_key, ini_secret;
    struct span key, secret;               /* KEY:SECRET */
    struct span bucket_key, bucket_secret; /* BUCKET:KEY:SECRET of our bucket */
};

static void take_setting(struct finding *f, struct span line)
{
    struct span rest = line;
    struct span name = span_trim(span_cut(&rest, '='));

    if (!f->in_profile)
        return;
    if (span_eq_nocase(name, SPAN_LIT("aws_access_key_id")))
        f->ini_key = span_trim(rest);
    else if (span_eq_nocase(name, SPAN_LIT("aws_secret_access_key")))
        f->ini_secret = span_trim(rest);
}

static void take_pair(struct finding *f, struct span line)
{
    struct span rest = line;
    struct span first = span_cut(&rest, ':');
    struct span second = rest.ptr ? span_cut(&rest, ':') : SPAN_EMPTY;

    if (!second.ptr)
        return;
    if (!rest.ptr && !f->key.ptr) {
        f->key = first;
        f->secret = second;
    } else if (rest.ptr && f->bucket.ptr && span_eq(first, f->bucket)) {
        f->bucket_key = second;
        f->bucket_secret = rest;
    }
}

static void take_line(struct finding *f, struct span line)
{
    if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';' || memchr(line.ptr, '\0', line.len))
        return;
    if (line.ptr[0] == '[' && line.ptr[line.len - 1] == ']')
        f->in_profile = span_eq(span_trim(span_make(line.ptr + 1, line.len - 2)), f->profile);
    else if (span_find(line, '=', 0) >= 0 && span_starts(line, SPAN_LIT("aws_")))
        take_setting(f, line);
    else
        take_pair(f, line);
}

static int credentials_set(struct span key, struct span secret, struct credentials *ret_credentials)
{
    struct credentials c = {strndup(key.ptr, key.len), strndup(secret.ptr, secret.len)};

    if (!c.access_key || !c.secret) {
        credentials_release(&c);
        return -ENOMEM;
    }
    *ret_credentials = c;
    return 0;
}

int credentials_parse(struct span text, const char *profile, const char *bucket, struct credentials *ret_credentials)
{
    struct finding f = {.profile = span_cstr(profile ? profile : "default"), .bucket = span_cstr(bucket)};

    f.in_profile = span_is(f.profile, "default");
    while (text.ptr) {
        struct span line = span_cut(&text, '\n');
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        take_line(&f, span_trim(line));
    }
    if (f.ini_key.len && f.ini_secret.len)
        return credentials_set(f.ini_key, f.ini_secret, ret_credentials);
    if (f.bucket_key.len && f.bucket_secret.len)
        return credentials_set(f.bucket_key, f.bucket_secret, ret_credentials);
    if (f.key.len && f.secret.len)
        return credentials_set(f.key, f.secret, ret_credentials);
    return -ENOENT;
}

static int check_file(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_mode & (S_IRWXO | S_IWGRP))
        return -EPERM;
    return st.st_size > CREDENTIALS_FILE_MAX ? CAIRN_ETOOBIG : 0;
}

static int read_all(int fd, char *ret_text, size_t size, size_t *ret_len)
{
    size_t len = 0;
    ssize_t n;

    while (len < size && (n = read(fd, ret_text + len, size - len)) != 0) {
        if (n < 0 && errno != EINTR)
            return -errno;
        len += n > 0 ? (size_t)n : 0;
    }
    *ret_len = len;
    return 0;
}

int credentials_read(const char *path, const char *profile, const char *bucket, struct credentials *ret_credentials)
{
    static char text[CREDENTIALS_FILE_MAX]; /* read once, before there are threads */
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    int r = check_file(fd);
    if (r == 0)
        r = read_all(fd, text, sizeof text, &len);
    if (r == 0)
        r = credentials_parse(span_make(text, len), profile, bucket, ret_credentials);
    explicit_bzero(text, sizeof text);
    close(fd);
    return r;
}

int credentials_from_environment(struct credentials *ret_credentials)
{
    const char *key = getenv("AWS_ACCESS_KEY_ID");
    const char *secret = getenv("AWS_SECRET_ACCESS_KEY");

    if (!key || !*key || !secret || !*secret)
        return -ENOENT;
    return credentials_set(span_cstr(key), span_cstr(secret), ret_credentials);
}

void credentials_release(struct credentials *credentials)
{
    if (credentials->secret)
        explicit_bzero(credentials->secret, strlen(credentials->secret));
    free(credentials->access_key);
    free(credentials->secret);
    *credentials = (struct credentials){0};
}
