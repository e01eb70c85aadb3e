/*
 * Events: what a mutation changed, told to one subscriber once the change is visible. They are collected in a list that
 * is handed to the index with the mutation, so a mutation that is dropped or run again tells nothing, or tells it once.
 */
#ifndef CAIRN_NAMESPACE_EVENT_H
#define CAIRN_NAMESPACE_EVENT_H

#include <pthread.h>

#include "objstore/namespace/namespace.h"

struct subscriber {
    pthread_mutex_t lock; /* held while events are told, so that who unsubscribes is told nothing after */
    pthread_cond_t none;  /* attached fell to 0 */
    size_t attached;      /* lock: lists that the index has */
    void (*fn)(const struct ns_event *event, void *arg); /* lock; looked at without it by events_wanted */
    void *arg;                                           /* lock */
};

struct changes;

int subscriber_init(struct subscriber *subscriber);
/* Waits until the index has no list any more; mutations have ended. */
void subscriber_release(struct subscriber *subscriber);

/* Notes an event in a mutation. When memory is short the mutation fails at its end. */
void event_entry(struct ns_txn *txn, uint64_t dir, struct span shown, uint64_t ino);
void event_inode(struct ns_txn *txn, enum ns_event_kind kind, uint64_t ino);
/* Notes that the mutation takes an inode away for good: hold.h. */
void event_reaped(struct ns_txn *txn, uint64_t ino);
/* Whether somebody listens: else the names of events need not be made. */
bool events_wanted(struct ns_txn *txn);

/* At the end of a mutation: hands the list to the index, or frees it. 0 or -ENOMEM. */
int changes_attach(struct ns_txn *txn);
void changes_discard(struct ns_txn *txn);

#endif
