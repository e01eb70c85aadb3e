/* The daemon's credentials file: what it gives is usable as it is, and reads the same written anew. */
#include "server/auth/credentials.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

static int open_text(struct span text, struct credentials **ret_credentials)
{
    char path[64];
    bool made;
    int fd = memfd_create("credentials", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, text.ptr, text.len) == (ssize_t)text.len);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int rc = credentials_open(path, ret_credentials, &made);
    FUZZ_CHECK(!made);
    close(fd);
    return rc;
}

static void check(const struct identity *root)
{
    char text[1024];
    struct credentials *again;
    FUZZ_CHECK(strlen(root->access_key) >= CREDENTIAL_USER_MIN && strlen(root->access_key) <= CREDENTIAL_MAX);
    FUZZ_CHECK(strlen(root->secret) >= CREDENTIAL_PASSWORD_MIN && strlen(root->secret) <= CREDENTIAL_MAX);
    int len =
        snprintf(text, sizeof(text), "CAIRN_ROOT_USER=%s\nCAIRN_ROOT_PASSWORD=%s\n", root->access_key, root->secret);
    FUZZ_CHECK(open_text(span_make(text, (size_t)len), &again) == 0);
    const struct identity *known = credentials_find(again, span_cstr(root->access_key));
    FUZZ_CHECK(known && strcmp(known->secret, root->secret) == 0);
    credentials_free(&again);
}

/* The first line says who is looked for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct credentials *credentials;
    struct span text = span_make(data, size), user = span_cut(&text, '\n');
    if (!text.ptr || open_text(text, &credentials) < 0)
        return 0;
    const struct identity *root = credentials_find(credentials, user);
    if (root)
        check(root);
    credentials_free(&credentials);
    return 0;
}
