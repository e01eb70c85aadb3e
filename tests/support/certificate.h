/* Certificates for tests of TLS. Asserts: a failure ends the test. */
#ifndef CAIRN_TESTS_CERTIFICATE_H
#define CAIRN_TESTS_CERTIFICATE_H

/* Makes dir if need be, and in it public.crt, self-signed for the one DNS name, and its private.key. */
void certificate_make(const char *dir, const char *name);

#endif
