/* Verifying shards, for whoever heals. */
#ifndef CAIRN_DATA_VERIFY_H
#define CAIRN_DATA_VERIFY_H

#include "objstore/data/data.h"

/* Reads the shards that the places have, whole, and checks them. ret_bad gets the places where one is missing or wrong.
 * Blocks on the drives; the pace may be NULL. 0; -ENOMEM; -ECANCELED. */
int blob_verify(struct blob_pin *pin, uint32_t places, const struct data_pace *pace, uint32_t *ret_bad);

#endif
