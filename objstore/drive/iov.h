/* Vectors of buffers, as reads and writes take them. Pure; any thread. */
#ifndef CAIRN_DRIVE_IOV_H
#define CAIRN_DRIVE_IOV_H

#include <stddef.h>
#include <sys/uio.h>

static inline size_t iov_bytes(const struct iovec *iov, int count)
{
    size_t sum = 0;

    for (int i = 0; i < count; i++)
        sum += iov[i].iov_len;
    return sum;
}

/* What is left of a vector after done bytes went through, in ret_rest, which has room for count. Returns its entries; the vector itself
 * stays as it is. ret_rest may be iov. */
static inline int iov_rest(const struct iovec *iov, int count, size_t done, struct iovec *ret_rest)
{
    int n = 0;

    for (int i = 0; i < count; i++) {
        struct iovec part = iov[i];

        if (done >= part.iov_len) {
            done -= part.iov_len;
            continue;
        }
        ret_rest[n++] = (struct iovec){(char *)part.iov_base + done, part.iov_len - done};
        done = 0;
    }
    return n;
}

#endif
