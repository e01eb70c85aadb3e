/*
 * Workers: a few threads that run jobs from one queue. A job is embedded in what it works on, so queueing it neither
 * allocates nor fails.
 */
#ifndef CAIRN_FS_WORKERS_H
#define CAIRN_FS_WORKERS_H

struct job {
    struct job *next;
    void (*run)(struct job *job);
};

struct workers;

int workers_new(unsigned threads, struct workers **ret_workers);
/* Runs what is queued, then ends the threads. Accepts NULL. */
void workers_free(struct workers **workers);
/* The job is the workers' until run is called. */
void workers_add(struct workers *workers, struct job *job);

#endif
