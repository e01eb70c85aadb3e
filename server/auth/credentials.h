/*
 * Credentials: who may sign. Today one, the root's, which may do everything.
 */
#ifndef CAIRN_AUTH_CREDENTIALS_H
#define CAIRN_AUTH_CREDENTIALS_H

#include <stdbool.h>

#include "objstore/base/span.h"

#define CREDENTIAL_USER_MIN 3 /* as MinIO's deployments know it */
#define CREDENTIAL_PASSWORD_MIN 8
#define CREDENTIAL_MAX 128

struct identity {
    char access_key[CREDENTIAL_MAX + 1];
    char secret[CREDENTIAL_MAX + 1];
    bool root;
};

struct credentials;

/* The root credential as given. -EINVAL when it is shorter than the limits above, longer than CREDENTIAL_MAX or holds
 * control characters; -ENOMEM. */
int credentials_new(const char *root_user, const char *root_password, struct credentials **ret_credentials);
/* The root credential from a file of two lines, CAIRN_ROOT_USER=… and CAIRN_ROOT_PASSWORD=…. A file that is not there
 * is made (mode 0600, durable) with a generated one, and *ret_made is true. -EACCES when others than its owner may read
 * it; -EINVAL when it does not parse, or takes 1 KiB or more; a negative errno. */
int credentials_open(const char *path, struct credentials **ret_credentials, bool *ret_made);
/* Wipes the secrets. Accepts NULL. */
void credentials_free(struct credentials **credentials);

/* The identity of an access key, or NULL; lives as the credentials. Any thread. */
const struct identity *credentials_find(const struct credentials *credentials, struct span access_key);

#endif
