#ifndef CAIRN_ADMIN_PRIV_H
#define CAIRN_ADMIN_PRIV_H

#include "server/admin/admin.h"

int admin_status(struct http_request *request, struct admin *admin);  /* status.c */
int admin_metrics(struct http_request *request, struct admin *admin); /* prometheus.c */

#endif
