/* The root credential and its file; the cache of signing keys. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "server/auth/credentials.h"
#include "server/auth/key_cache.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static char folder[] = "/tmp/cairn-auth-XXXXXX";
static char path[64], temporary[64];
static struct credentials *credentials;
static bool made;

static void init(void)
{
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/root", folder);
    snprintf(temporary, sizeof(temporary), "%s/root.new", folder);
}

static void fini(void)
{
    credentials_free(&credentials);
    unlink(path);
    unlink(temporary);
    rmdir(path);
    rmdir(temporary);
    rmdir(folder);
}

TestSuite(auth_credentials, .init = init, .fini = fini, .timeout = 60);

static void write_bytes(const char *to, const void *bytes, size_t len, mode_t mode)
{
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert(fd >= 0 && write(fd, bytes, len) == (ssize_t)len && fchmod(fd, mode) == 0);
    close(fd);
}

static int open_with(const char *text)
{
    write_bytes(path, text, strlen(text), 0600);
    return credentials_open(path, &credentials, &made);
}

static size_t read_file(char *ret_text, size_t cap)
{
    int fd = open(path, O_RDONLY);
    cr_assert(fd >= 0);
    ssize_t len = read(fd, ret_text, cap - 1);
    close(fd);
    cr_assert(len >= 0);
    ret_text[len] = '\0';
    return (size_t)len;
}

Test(auth_credentials, a_credential_is_generated_once_and_read_back)
{
    char text[256], user[CREDENTIAL_MAX + 1], password[CREDENTIAL_MAX + 1];
    struct stat st;
    umask(0);
    cr_assert_eq(credentials_open(path, &credentials, &made), 0);
    cr_assert(made);
    cr_assert(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
    cr_assert(access(temporary, F_OK) < 0);
    read_file(text, sizeof(text));
    cr_assert_eq(sscanf(text, "CAIRN_ROOT_USER=%128s\nCAIRN_ROOT_PASSWORD=%128s\n", user, password), 2);
    cr_assert(strlen(user) == 20 && strlen(password) == 40);
    const struct identity *identity = credentials_find(credentials, span_cstr(user));
    cr_assert(identity && identity->root && strcmp(identity->secret, password) == 0);
    credentials_free(&credentials);

    cr_assert_eq(credentials_open(path, &credentials, &made), 0);
    cr_assert(!made);
    identity = credentials_find(credentials, span_cstr(user));
    cr_assert(identity && strcmp(identity->secret, password) == 0);
}

Test(auth_credentials, two_generated_credentials_differ)
{
    char one[256], other[256];
    cr_assert_eq(credentials_open(path, &credentials, &made), 0);
    read_file(one, sizeof(one));
    credentials_free(&credentials);
    unlink(path);
    cr_assert_eq(credentials_open(path, &credentials, &made), 0);
    read_file(other, sizeof(other));
    cr_assert(strcmp(one, other) != 0);
}

Test(auth_credentials, what_a_crash_left_is_written_anew)
{
    struct stat st;
    write_bytes(temporary, "CAIRN_ROOT_US", 13, 0644);
    cr_assert_eq(credentials_open(path, &credentials, &made), 0);
    cr_assert(made && stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
    cr_assert(access(temporary, F_OK) < 0);
}

Test(auth_credentials, a_failed_attempt_leaves_nothing)
{
    cr_assert_eq(mkdir(temporary, 0700), 0); /* no file can be made there */
    cr_assert_eq(credentials_open(path, &credentials, &made), -EISDIR);
    cr_assert(!made && !credentials && access(path, F_OK) < 0);
    rmdir(temporary);
    char elsewhere[96];
    snprintf(elsewhere, sizeof(elsewhere), "%s/no/such/folder", folder);
    cr_assert_eq(credentials_open(elsewhere, &credentials, &made), -ENOENT);
    cr_assert(!made);
}

Test(auth_credentials, a_link_in_the_place_of_the_new_file_is_not_followed)
{
    char victim[96];
    struct stat st;
    snprintf(victim, sizeof(victim), "%s/victim", folder);
    write_bytes(victim, "precious", 8, 0644);
    cr_assert_eq(symlink(victim, temporary), 0);
    cr_assert_eq(credentials_open(path, &credentials, &made), -ELOOP);
    cr_assert(stat(victim, &st) == 0 && st.st_size == 8 && (st.st_mode & 0777) == 0644);
    unlink(victim);
}

Test(auth_credentials, a_file_that_others_may_touch_is_refused)
{
    static const mode_t modes[] = {0640, 0604, 0660, 0602, 0610, 0644, 0666};
    static const char good[] = "CAIRN_ROOT_USER=someone\nCAIRN_ROOT_PASSWORD=long enough\n";
    for (size_t i = 0; i < COUNT(modes); i++) {
        write_bytes(path, good, sizeof(good) - 1, modes[i]);
        cr_assert_eq(credentials_open(path, &credentials, &made), -EACCES, "%o", modes[i]);
    }
    write_bytes(path, good, sizeof(good) - 1, 0400);
    cr_assert_eq(credentials_open(path, &credentials, &made), 0);
}

Test(auth_credentials, the_file_is_read_as_people_write_it)
{
    static const char *const texts[] = {
        "CAIRN_ROOT_USER=someone\nCAIRN_ROOT_PASSWORD=pass word=1\n",
        "CAIRN_ROOT_USER=someone\nCAIRN_ROOT_PASSWORD=pass word=1", /* no newline at the end */
        "# ours\n\nCAIRN_ROOT_PASSWORD = pass word=1 \n CAIRN_ROOT_USER\t=\tsomeone\nCAIRN_REGION=eu\n",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        cr_assert_eq(open_with(texts[i]), 0, "%s", texts[i]);
        const struct identity *identity = credentials_find(credentials, SPAN_LIT("someone"));
        cr_assert(identity && strcmp(identity->secret, "pass word=1") == 0, "%s", texts[i]);
        credentials_free(&credentials);
    }
}

Test(auth_credentials, what_is_no_credential_is_refused)
{
    static const char *const texts[] = {
        "",
        "CAIRN_ROOT_USER=someone\n",
        "CAIRN_ROOT_PASSWORD=long enough\n",
        "CAIRN_ROOT_USER\nCAIRN_ROOT_PASSWORD=long enough\n",
        "CAIRN_ROOT_USER=ab\nCAIRN_ROOT_PASSWORD=long enough\n",
        "CAIRN_ROOT_USER=someone\nCAIRN_ROOT_PASSWORD=short\n",
        "CAIRN_ROOT_USER=someone\r\nCAIRN_ROOT_PASSWORD=long enough\r\n",
        "XCAIRN_ROOT_USER=someone\nCAIRN_ROOT_PASSWORD=long enough\n",
    };
    for (size_t i = 0; i < COUNT(texts); i++)
        cr_assert_eq(open_with(texts[i]), -EINVAL, "%s", texts[i]);
    static const char zero[] = "CAIRN_ROOT_USER=someone\nCAIRN_ROOT_PASSWORD=long enough\0 and more\n";
    write_bytes(path, zero, sizeof(zero) - 1, 0600);
    cr_assert_eq(credentials_open(path, &credentials, &made), -EINVAL);
}

Test(auth_credentials, a_file_too_long_to_read_whole_is_refused)
{
    static const char last[] = "CAIRN_ROOT_USER=someone\nCAIRN_ROOT_PASSWORD=a secret that is cut somewhere\n";
    char text[1024 + 20]; /* the limit lies within the secret */
    memset(text, '#', sizeof(text));
    text[sizeof(text) - sizeof(last)] = '\n';
    memcpy(text + sizeof(text) - sizeof(last) + 1, last, sizeof(last) - 1);
    write_bytes(path, text, sizeof(text), 0600);
    cr_assert_eq(credentials_open(path, &credentials, &made), -EINVAL);
    cr_assert_null(credentials);
}

Test(auth_credentials, a_folder_is_no_credential)
{
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert_eq(credentials_open(path, &credentials, &made), -EISDIR);
}

Test(auth_credentials, the_limits_of_a_credential_are_kept)
{
    static char longest[CREDENTIAL_MAX + 2];
    memset(longest, 'a', CREDENTIAL_MAX);
    cr_assert_eq(credentials_new(longest, longest, &credentials), 0);
    cr_assert(credentials_find(credentials, span_cstr(longest)));
    cr_assert_null(credentials_find(credentials, span_head(span_cstr(longest), CREDENTIAL_MAX - 1)));
    credentials_free(&credentials);
    longest[CREDENTIAL_MAX] = 'a';
    cr_assert_eq(credentials_new(longest, "long enough", &credentials), -EINVAL);
    cr_assert_eq(credentials_new("abc", longest, &credentials), -EINVAL);
    cr_assert_eq(credentials_new("ab", "long enough", &credentials), -EINVAL);
    cr_assert_eq(credentials_new("abc", "1234567", &credentials), -EINVAL);
    cr_assert_eq(credentials_new("abc", "12345678", &credentials), 0);
    cr_assert_null(credentials_find(credentials, SPAN_EMPTY));
}

/* ---- signing keys ---- */

static struct sigv4_auth scope(const char *date, const char *region)
{
    static char text[64];
    snprintf(text, sizeof(text), "%s/%s/s3/aws4_request", date, region);
    return (struct sigv4_auth){
        .scope = span_cstr(text), .date = span_cstr(date), .region = span_cstr(region), .service = SPAN_LIT("s3")};
}

static struct sigv4_key cached(struct key_cache *cache, const struct identity *identity, const char *date)
{
    struct sigv4_auth auth = scope(date, "us-east-1");
    struct sigv4_key key;
    cr_assert_eq(key_cache_get(cache, identity, &auth, &key), 0);
    return key;
}

static struct sigv4_key derived(const struct identity *identity, const char *date)
{
    struct sigv4_key key;
    cr_assert_eq(
        sigv4_key_derive(span_cstr(identity->secret), span_cstr(date), SPAN_LIT("us-east-1"), SPAN_LIT("s3"), &key), 0);
    return key;
}

static bool same(struct sigv4_key a, struct sigv4_key b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

Test(auth_credentials, a_cached_key_is_the_one_derived_however_often_places_change_hands)
{
    enum { DAYS = 200 }; /* more than there are places */
    struct identity one = {"one", "secret one", true}, other = {"other", "secret other", true};
    struct key_cache *cache;
    cr_assert_eq(key_cache_new(&cache), 0);
    for (int round = 0; round < 3; round++) {
        for (int day = 0; day < DAYS; day++) {
            char date[16];
            snprintf(date, sizeof(date), "%08d", 20260000 + day);
            cr_assert(same(cached(cache, &one, date), derived(&one, date)));
            cr_assert(same(cached(cache, &other, date), derived(&other, date)));
            cr_assert(same(cached(cache, &one, date), derived(&one, date)));
        }
    }
    key_cache_free(&cache);
    cr_assert_null(cache);
    key_cache_free(&cache);
}
