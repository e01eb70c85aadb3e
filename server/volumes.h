/*
 * Drive arguments: "/data{1...4}" stands for /data1 /data2 /data3 /data4, as the operators of MinIO write it. Several ranges
 * in one argument multiply, the last one running fastest; leading zeros in the first number set the width ("{01...12}").
 */
#ifndef CAIRN_SERVER_VOLUMES_H
#define CAIRN_SERVER_VOLUMES_H

#include <stddef.h>

#include "objstore/base/arena.h"

#define VOLUMES_MAX 4096

struct volumes {
    const char *paths[VOLUMES_MAX]; /* in the arena */
    size_t count;
};

/* Appends what argument stands for. 0; -EINVAL for a range that does not parse or runs backwards; -E2BIG past VOLUMES_MAX; -ENAMETOOLONG for what no path is as
 * long as; -ENOMEM. */
int volumes_expand(struct span argument, struct arena *arena, struct volumes *volumes);

#endif
