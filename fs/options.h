/*
 * Options of a mount: the command line of cairnfs, and of mount.cairn as mount(8) and fstab call it.
 *
 *     cairnfs SOURCE MOUNTPOINT [-f] [-o OPT[,OPT...]]
 *     mount.cairn SOURCE MOUNTPOINT [-sfnv] [-N NAMESPACE] [-t TYPE] [-o OPT[,OPT...]]
 *
 * One table has every -o option; the parser and --help read it. Generic options of mount(8) are known too: some go to
 * the kernel (ro, noexec …), others concern only mount(8) and systemd and are passed over (_netdev, x-systemd.… …).
 */
#ifndef CAIRN_FS_OPTIONS_H
#define CAIRN_FS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "fs/credentials.h"
#include "fs/source.h"
#include "objstore/base/span.h"

#define OPTION_ID_NONE UINT64_MAX /* uid and gid that were not given */

struct mount_options {
    char *source_text; /* as given */
    struct source source;
    char *mountpoint; /* absolute */
    struct credentials credentials;
    bool foreground;
    bool help, version; /* asked for: nothing else is set */
    bool fake;          /* mount.cairn -f: everything but the mount */

    const char *credentials_file, *profile;
    const char *region, *sign_host, *ca_file, *log_file;
    bool hard, soft, sync, debug;
    bool allow_other, allow_root, private; /* at most one; none for root is allow_other */
    uint64_t uid, gid;                     /* shown for every file, and stored for new ones; OPTION_ID_NONE */
    int64_t timeout_ns;                    /* soft: how long a request is tried */
    int64_t attr_timeout_ns;               /* how long the kernel trusts what it has while push tells of changes */
    uint64_t read_ahead;                   /* bytes */
    uint64_t dirty;                        /* bytes written and not yet stored, of the whole mount */
    uint64_t max_background;               /* requests the kernel may have under way in the background */
    uint64_t threads;                      /* of handlers, at most */

    struct buf kernel; /* "ro,noexec": what goes to mount(2) as it is */
    char *text;        /* -o as given, cut up; the strings above point into it */
};

/* Reads argv, the environment and the credentials file. 0; -EINVAL and others after having said on standard error what
 * is wrong. Call it before there are threads. */
int options_read(int argc, char **argv, struct mount_options *ret_options);
/* Accepts a zeroed struct. */
void options_release(struct mount_options *options);
void options_usage(FILE *out);

#endif
