#include "tests/support/certificate.h"

#include <criterion/criterion.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>

static void write_pem(const char *dir, EVP_PKEY *key, X509 *cert)
{
    char path[256];
    mkdir(dir, 0700);
    snprintf(path, sizeof(path), "%s/public.crt", dir);
    FILE *out = fopen(path, "w");
    cr_assert(out && PEM_write_X509(out, cert));
    fclose(out);
    snprintf(path, sizeof(path), "%s/private.key", dir);
    out = fopen(path, "w");
    cr_assert(out && PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL));
    fclose(out);
}

void certificate_make(const char *dir, const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    char san[128];
    snprintf(san, sizeof(san), "DNS:%s", name);
    X509_set_version(cert, 2);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
    X509_add_ext(cert, extension, -1);
    cr_assert(X509_sign(cert, key, EVP_sha256()) > 0);
    write_pem(dir, key, cert);
    X509_EXTENSION_free(extension);
    X509_free(cert);
    EVP_PKEY_free(key);
}
