/*
 * I/O queue: one thread that runs jobs in the order they came, so that a slow drive holds up nobody but who waits for it.
 */
#ifndef CAIRN_DATA_IO_QUEUE_H
#define CAIRN_DATA_IO_QUEUE_H

struct io_queue;

/* Embedded in what the job is about, which the queue borrows until run() is called; run may free it, and may block. */
struct io_job {
    struct io_job *next;
    void (*run)(struct io_job *job);
};

/* 0, -ENOMEM, -EAGAIN (no more threads). */
int  io_queue_new(struct io_queue **ret_queue);
/* Runs what is queued, and ends. Accepts NULL. */
void io_queue_free(struct io_queue **queue);
void io_queue_add(struct io_queue *queue, struct io_job *job);

#endif
