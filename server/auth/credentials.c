#include "server/auth/credentials.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objstore/base/errors.h"
#include "objstore/base/hash.h"

#define GENERATED_USER_BYTES 10
#define GENERATED_PASSWORD_BYTES 20 /* 160 bits */
#define FILE_MAX 1024

struct credentials {
    struct identity root;
};

static bool usable(const char *s, size_t min)
{
    size_t len = strlen(s);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
            return false;
    return len >= min && len <= CREDENTIAL_MAX;
}

int credentials_new(const char *root_user, const char *root_password, struct credentials **ret_credentials)
{
    if (!usable(root_user, CREDENTIAL_USER_MIN) || !usable(root_password, CREDENTIAL_PASSWORD_MIN))
        return -EINVAL;
    struct credentials *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    strcpy(c->root.access_key, root_user);
    strcpy(c->root.secret, root_password);
    c->root.root = true;
    *ret_credentials = c;
    return 0;
}

void credentials_free(struct credentials **credentials)
{
    if (*credentials)
        explicit_bzero(*credentials, sizeof **credentials);
    free(*credentials);
    *credentials = NULL;
}

const struct identity *credentials_find(const struct credentials *credentials, struct span access_key)
{
    return span_is(access_key, credentials->root.access_key) ? &credentials->root : NULL;
}

/* ---- the file ---- */

/* The value of NAME=value among the lines of text, copied out; false without one that fits. */
static bool find_line(struct span text, const char *name, char ret_value[CREDENTIAL_MAX + 1])
{
    while (text.ptr) {
        struct span line = span_trim(span_cut(&text, '\n'));
        struct span left = span_cut(&line, '=');
        if (!span_is(span_trim(left), name) || !line.ptr)
            continue;
        struct span value = span_trim(line);
        if (value.len > CREDENTIAL_MAX)
            return false;
        memcpy(ret_value, value.ptr, value.len);
        ret_value[value.len] = '\0';
        return true;
    }
    return false;
}

static int parse_file(int fd, struct credentials **ret_credentials)
{
    struct stat st;
    char text[FILE_MAX], user[CREDENTIAL_MAX + 1], password[CREDENTIAL_MAX + 1];
    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_mode & 077)
        return -EACCES;
    ssize_t len = read(fd, text, sizeof text);
    if (len < 0)
        return -errno;
    struct span all = span_make(text, (size_t)len);
    bool whole = all.len < sizeof text && span_find(all, '\0', 0) < 0; /* else a part could pass for the secret */
    int r = whole && find_line(all, "CAIRN_ROOT_USER", user) && find_line(all, "CAIRN_ROOT_PASSWORD", password)
                ? credentials_new(user, password, ret_credentials)
                : -EINVAL;
    explicit_bzero(text, sizeof text);
    explicit_bzero(password, sizeof password);
    return r;
}

static int write_file(int fd, const char *user, const char *password)
{
    char text[FILE_MAX];
    int len = snprintf(text, sizeof text, "CAIRN_ROOT_USER=%s\nCAIRN_ROOT_PASSWORD=%s\n", user, password);
    ssize_t written = write(fd, text, (size_t)len);
    explicit_bzero(text, sizeof text);
    if (written != len)
        return written < 0 ? -errno : -ENOSPC;
    return fsync(fd) < 0 ? -errno : 0;
}

static int sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (len >= sizeof folder)
        return -ENAMETOOLONG;
    memcpy(folder, path, len);
    strcpy(folder + len, slash ? (len ? "" : "/") : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return r;
}

/* Written whole under a temporary name first: a crash leaves no half of a credential. */
static int place_file(const char *path, const char *user, const char *password)
{
    char temporary[PATH_MAX];
    if (snprintf(temporary, sizeof temporary, "%s.new", path) >= (int)sizeof temporary)
        return -ENAMETOOLONG;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int r = fchmod(fd, 0600) < 0 ? -errno : write_file(fd, user, password);
    close(fd);
    if (r == 0 && rename(temporary, path) < 0)
        r = -errno;
    if (r < 0)
        unlink(temporary);
    return r < 0 ? r : sync_folder_of(path);
}

static int make_file(const char *path, struct credentials **ret_credentials)
{
    char user[2 * GENERATED_USER_BYTES + 1], password[2 * GENERATED_PASSWORD_BYTES + 1];
    uint8_t bytes[GENERATED_USER_BYTES + GENERATED_PASSWORD_BYTES];
    random_bytes(bytes, sizeof bytes);
    hex_encode(bytes, GENERATED_USER_BYTES, user);
    hex_encode(bytes + GENERATED_USER_BYTES, GENERATED_PASSWORD_BYTES, password);
    explicit_bzero(bytes, sizeof bytes);
    int r = place_file(path, user, password);
    if (r == 0)
        r = credentials_new(user, password, ret_credentials);
    explicit_bzero(password, sizeof password);
    return r;
}

int credentials_open(const char *path, struct credentials **ret_credentials, bool *ret_made)
{
    *ret_made = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        return -errno;
    if (fd < 0) {
        int r = make_file(path, ret_credentials);
        *ret_made = r == 0;
        return r;
    }
    int r = parse_file(fd, ret_credentials);
    close(fd);
    return r;
}
