#include "fs/source.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/credentials.h"
#include "objstore/base/errors.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void expect_text(const char *got, const char *wanted)
{
    if (wanted)
        cr_expect(got && strcmp(got, wanted) == 0, "%s instead of %s", got ? got : "nothing", wanted);
    else
        cr_expect_null(got);
}

Test(fs_source, endpoint_bucket_and_prefix_are_told_apart)
{
    static const struct {
        const char *text, *endpoint, *bucket, *prefix;
    } rows[] = {
        {"http://127.0.0.1:9000", "http://127.0.0.1:9000", NULL, NULL},
        {"http://127.0.0.1:9000/", "http://127.0.0.1:9000", NULL, NULL},
        {"http://host/photos", "http://host", "photos", NULL},
        {"https://host:443/photos/2024/may/", "https://host:443", "photos", "2024/may"},
        {"http://[::1]:9000//photos//a b", "http://[::1]:9000", "photos", "a b"},
        {"unix:/run/cairn.sock", "unix:/run/cairn.sock", NULL, NULL},
        {"unix:/run/cairn.sock:/photos/a", "unix:/run/cairn.sock", "photos", "a"},
        {"unix:relative:x:/photos", "unix:relative:x", "photos", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct source s;
        cr_assert_eq(source_parse(rows[i].text, &s), 0, "%s", rows[i].text);
        expect_text(s.endpoint, rows[i].endpoint);
        expect_text(s.bucket, rows[i].bucket);
        expect_text(s.prefix, rows[i].prefix);
        source_release(&s);
    }
}

Test(fs_source, what_is_no_source_is_refused)
{
    static const char *const rows[] = {"",
                                       "host:/photos",
                                       "ftp://host/b",
                                       "http://",
                                       "http:///bucket",
                                       "unix:",
                                       "unix::/bucket",
                                       "/dev/sda1",
                                       "http:/x",
                                       "http://h/b/../c",
                                       "http://h/.",
                                       "unix:/s:/b/./c",
                                       "http://h:0/b",
                                       "http://h:65536/b",
                                       "http://h:/b",
                                       "http://h:9x/b",
                                       "http://[::1]:0",
                                       "http://user:word@h/b"};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct source s;
        cr_expect_eq(source_parse(rows[i], &s), -EINVAL, "%s", rows[i]);
    }
}

static void expect_credentials(const char *text, const char *profile, const char *bucket, const char *key,
                               const char *secret)
{
    struct credentials c;
    int r = credentials_parse(span_cstr(text), profile, bucket, &c);

    if (!key) {
        cr_expect_eq(r, -ENOENT, "%s", text);
        return;
    }
    cr_assert_eq(r, 0, "%s", text);
    expect_text(c.access_key, key);
    expect_text(c.secret, secret);
    credentials_release(&c);
}

Test(fs_source, credentials_as_the_aws_tools_keep_them)
{
    const char *file = "# comment\n[default]\naws_access_key_id = AK\naws_secret_access_key=se/cr+et=\n"
                       "region = x\n\n[work]\r\naws_access_key_id=WK\r\naws_secret_access_key = ws\r\n";

    expect_credentials(file, NULL, NULL, "AK", "se/cr+et=");
    expect_credentials(file, "work", "b", "WK", "ws");
    expect_credentials(file, "other", NULL, NULL, NULL);
    expect_credentials("aws_access_key_id=AK\naws_secret_access_key=S", NULL, NULL, "AK", "S");
    expect_credentials("[default]\naws_access_key_id=AK\n", NULL, NULL, NULL, NULL);
}

Test(fs_source, credentials_as_s3fs_keeps_them)
{
    expect_credentials("AK:secret\n", NULL, NULL, "AK", "secret");
    expect_credentials("AK:se=cret", NULL, "photos", "AK", "se=cret");
    expect_credentials("other:OK:os\nphotos:PK:ps\nAK:secret\n", NULL, "photos", "PK", "ps");
    expect_credentials("other:OK:os\nphotos:PK:ps\nAK:secret\n", NULL, NULL, "AK", "secret");
    expect_credentials("other:OK:os\n", NULL, "photos", NULL, NULL);
    expect_credentials("", NULL, NULL, NULL, NULL);
    expect_credentials("just text\n:\n", NULL, NULL, NULL, NULL);
}

Test(fs_source, a_credentials_file_open_to_others_is_refused)
{
    char path[] = "/tmp/cairn-credentials-XXXXXX";
    int fd = mkstemp(path);
    struct credentials c;

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, "AK:secret\n", 10), 10);
    fchmod(fd, 0644);
    cr_expect_eq(credentials_read(path, NULL, NULL, &c), -EPERM);
    fchmod(fd, 0620);
    cr_expect_eq(credentials_read(path, NULL, NULL, &c), -EPERM);
    fchmod(fd, 0640);
    cr_assert_eq(credentials_read(path, NULL, NULL, &c), 0);
    expect_text(c.secret, "secret");
    credentials_release(&c);
    cr_assert_eq(ftruncate(fd, CREDENTIALS_FILE_MAX + 1), 0);
    cr_expect_eq(credentials_read(path, NULL, NULL, &c), CAIRN_ETOOBIG);
    close(fd);
    unlink(path);
    cr_expect_eq(credentials_read(path, NULL, NULL, &c), -ENOENT);
}
