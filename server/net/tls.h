/*
 * TLS of the server: certificates from a folder, one chosen by the name that the client asks for (SNI).
 *
 *     CERTS/public.crt + private.key, or cert.pem + key.pem     the default
 *     CERTS/NAME/ with the same files                           for the names in that certificate
 *
 * TLS 1.2 and later, HTTP/1.1 by ALPN. Keys are read at start and again on tls_reload().
 */
#ifndef CAIRN_NET_TLS_H
#define CAIRN_NET_TLS_H

#include <stddef.h>

struct tls;
struct ssl_st;

/* Reads the folder. 0, or a negative errno with ret_message (cap bytes) naming the file and what is wrong with it. */
int tls_new(const char *certs_dir, struct tls **ret_tls, char *ret_message, size_t cap);
/* No connection may be made of it any more; those that live keep what they need. Accepts NULL. */
void tls_free(struct tls **tls);
/* Reads the folder again, for connections to come. On failure what was loaded stays in use. As tls_new. Any thread. */
int tls_reload(struct tls *tls, char *ret_message, size_t cap);
/* The server's side of a connection on fd, handshake not begun; NULL when memory is short. Any thread. */
struct ssl_st *tls_accept(struct tls *tls, int fd);

#endif
