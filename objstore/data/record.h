/*
 * Records: typed access to what this layer has in the index (format.h). A value of the wrong size or with a field out
 * of its bounds is CAIRN_ECORRUPT. The others answer as index_get, index_put and index_delete do.
 */
#ifndef CAIRN_DATA_RECORD_H
#define CAIRN_DATA_RECORD_H

#include "objstore/data/format.h"
#include "objstore/index/index.h"

struct record_key {
    uint8_t bytes[17];
    uint8_t len;
};

struct record_key key_id(char tag, uint64_t id);                          /* 'B', 'S', 'H' */
struct record_key key_place(char tag, uint64_t segment, uint64_t offset); /* 'L', 'F' */
static inline struct span key_span(const struct record_key *key)
{
    return span_make(key->bytes, key->len);
}
/* Takes the key of an 'L' or 'F', or of a 'B', 'S' or 'H' record apart; false when it is none with this tag. */
bool key_parse_place(struct span key, char tag, uint64_t *ret_segment, uint64_t *ret_offset);
bool key_parse_id(struct span key, char tag, uint64_t *ret_id);

int blob_get(struct index_txn *txn, uint64_t id, struct blob_record *ret_record);
int blob_put(struct index_txn *txn, uint64_t id, const struct blob_record *record);
int segment_get_record(struct index_txn *txn, uint64_t id, struct segment_record *ret_record);
int segment_put_record(struct index_txn *txn, uint64_t id, const struct segment_record *record);
int extent_get(struct index_txn *txn, char tag, uint64_t segment, uint64_t offset, struct extent_record *ret_record);
int extent_put(struct index_txn *txn, char tag, uint64_t segment, uint64_t offset, const struct extent_record *record);
int extent_parse(struct span value, struct extent_record *ret_record);
int segment_parse(struct span value, struct segment_record *ret_record);
/* Deletes a record; that there was none is no error. */
int record_drop(struct index_txn *txn, struct record_key key);
/* Puts the places into the blob's 'H' record, beside those that it has; 0 places: takes the record away. */
int heal_put(struct index_txn *txn, uint64_t id, uint32_t places);
/* Takes the places out of it, and the record away when none is left. */
int heal_clear(struct index_txn *txn, uint64_t id, uint32_t places);
int heal_get(struct index_txn *txn, uint64_t id, uint32_t *ret_places);
/* Number of 'H' records, and of those that are marked as damaged. */
int heal_count(struct index_txn *txn, uint64_t *ret_count, uint64_t *ret_damaged);
/* Number of records with a tag, beside the bare one. */
int record_count(struct index_txn *txn, char tag, uint64_t *ret_count);

#endif
