#include "server/net/tls.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CERTS_MAX = 256, PATH_CAP = 4096 };

/* What was read of the folder: the default first. */
struct certs {
    SSL_CTX *ctx[CERTS_MAX];
    size_t count;
};

struct tls {
    char *dir;
    pthread_rwlock_t lock; /* guards certs: handshakes read, a reload swaps */
    struct certs *certs;
};

struct message {
    char *text;
    size_t cap;
};

static int fail(struct message *m, int rc, const char *path, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    snprintf(m->text, m->cap, "%s: %s%s%s", path, what, reason ? ": " : "", reason ? reason : "");
    ERR_clear_error();
    return rc;
}

static void certs_free(struct certs **certs)
{
    if (!*certs)
        return;
    for (size_t i = 0; i < (*certs)->count; i++)
        SSL_CTX_free((*certs)->ctx[i]);
    free(*certs);
    *certs = NULL;
}

/* The context whose certificate is for that name; the caller holds the lock. */
static SSL_CTX *find_by_name(const struct certs *certs, const char *name)
{
    for (size_t i = 0; i < certs->count; i++) {
        X509 *cert = SSL_CTX_get0_certificate(certs->ctx[i]);
        if (cert && X509_check_host(cert, name, 0, 0, NULL) == 1)
            return certs->ctx[i];
    }
    return NULL;
}

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    (void)alert;
    struct tls *tls = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (!name)
        return SSL_TLSEXT_ERR_NOACK;
    pthread_rwlock_rdlock(&tls->lock);
    SSL_CTX *ctx = find_by_name(tls->certs, name);
    if (ctx)
        SSL_set_SSL_CTX(ssl, ctx);
    pthread_rwlock_unlock(&tls->lock);
    return ctx ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                   unsigned int in_len, void *arg)
{
    static const unsigned char offered[] = "\x08http/1.1";
    (void)ssl;
    (void)arg;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, offered, sizeof(offered) - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *context_new(struct tls *tls)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx)
        return NULL;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* A write that stopped half-way goes on from where it got to, from wherever the bytes then lie. An idle connection
     * keeps no buffers. */
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"cairn", 5);
    SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(ctx, tls);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    return ctx;
}

static int load_pair(struct tls *tls, const char *cert, const char *key, SSL_CTX **ret_ctx, struct message *m)
{
    ERR_clear_error();
    SSL_CTX *ctx = context_new(tls);
    int rc = 0;
    if (!ctx)
        rc = fail(m, -ENOMEM, cert, "out of memory");
    else if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        rc = fail(m, -EINVAL, cert, "no certificate");
    else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        rc = fail(m, -EINVAL, key, "no private key");
    else if (SSL_CTX_check_private_key(ctx) != 1)
        rc = fail(m, -EINVAL, key, "not the certificate's key");
    if (rc < 0)
        SSL_CTX_free(ctx);
    else
        *ret_ctx = ctx;
    return rc;
}

/* -ENOENT when dir holds none of the pairs. */
static int load_dir(struct tls *tls, const char *dir, SSL_CTX **ret_ctx, struct message *m)
{
    static const char *const pairs[][2] = {{"public.crt", "private.key"}, {"cert.pem", "key.pem"}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        char cert[PATH_CAP], key[PATH_CAP];
        int a = snprintf(cert, sizeof(cert), "%s/%s", dir, pairs[i][0]);
        int b = snprintf(key, sizeof(key), "%s/%s", dir, pairs[i][1]);
        if (a >= (int)sizeof(cert) || b >= (int)sizeof(key))
            return fail(m, -ENAMETOOLONG, dir, "the path is too long");
        if (access(cert, F_OK) == 0)
            return load_pair(tls, cert, key, ret_ctx, m);
    }
    fail(m, -ENOENT, dir, "neither public.crt and private.key nor cert.pem and key.pem");
    return -ENOENT;
}

static int load_below(struct tls *tls, struct certs *certs, struct message *m)
{
    DIR *dir = opendir(tls->dir);
    if (!dir)
        return fail(m, -errno, tls->dir, strerror(errno));
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir));) {
        char path[PATH_CAP];
        if (entry->d_name[0] == '.' || snprintf(path, sizeof(path), "%s/%s", tls->dir, entry->d_name) >= PATH_CAP)
            continue;
        if (certs->count == CERTS_MAX)
            rc = fail(m, -E2BIG, tls->dir, "more than 256 certificates");
        else
            rc = load_dir(tls, path, &certs->ctx[certs->count], m);
        if (rc == 0)
            certs->count++;
        else if (rc == -ENOENT)
            rc = 0; /* a file, or a folder of something else (CAs) */
    }
    closedir(dir);
    return rc;
}

static int certs_load(struct tls *tls, struct certs **ret_certs, struct message *m)
{
    struct certs *certs = calloc(1, sizeof(*certs));
    if (!certs)
        return fail(m, -ENOMEM, tls->dir, "out of memory");
    int rc = load_dir(tls, tls->dir, &certs->ctx[0], m);
    if (rc == 0) {
        certs->count = 1;
        rc = load_below(tls, certs, m);
    }
    if (rc < 0)
        certs_free(&certs);
    else
        *ret_certs = certs;
    return rc;
}

int tls_new(const char *certs_dir, struct tls **ret_tls, char *ret_message, size_t cap)
{
    struct message m = {ret_message, cap};
    struct tls *tls = calloc(1, sizeof(*tls));
    if (!tls || !(tls->dir = strdup(certs_dir))) {
        free(tls);
        return fail(&m, -ENOMEM, certs_dir, "out of memory");
    }
    pthread_rwlock_init(&tls->lock, NULL);
    int rc = certs_load(tls, &tls->certs, &m);
    if (rc < 0)
        tls_free(&tls);
    else
        *ret_tls = tls;
    return rc;
}

void tls_free(struct tls **tls)
{
    if (!*tls)
        return;
    certs_free(&(*tls)->certs);
    pthread_rwlock_destroy(&(*tls)->lock);
    free((*tls)->dir);
    free(*tls);
    *tls = NULL;
}

int tls_reload(struct tls *tls, char *ret_message, size_t cap)
{
    struct message m = {ret_message, cap};
    struct certs *fresh = NULL;
    int rc = certs_load(tls, &fresh, &m);
    if (rc < 0)
        return rc;
    pthread_rwlock_wrlock(&tls->lock);
    struct certs *old = tls->certs;
    tls->certs = fresh;
    pthread_rwlock_unlock(&tls->lock);
    certs_free(&old); /* a context lives on in the connections made of it */
    return 0;
}

struct ssl_st *tls_accept(struct tls *tls, int fd)
{
    pthread_rwlock_rdlock(&tls->lock);
    SSL *ssl = SSL_new(tls->certs->ctx[0]);
    pthread_rwlock_unlock(&tls->lock);
    if (ssl && SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        ssl = NULL;
    }
    return ssl;
}
