/*
 * Lane: threads of a drive that run tasks in the order they came, so that a slow drive holds up nobody but who waits for it, and that
 * one can stop waiting.
 */
#ifndef CAIRN_DRIVE_LANE_H
#define CAIRN_DRIVE_LANE_H

#include <stdbool.h>
#include <stdint.h>

struct lane;

/* Embedded in what the task is about, which the lane borrows until run() is called; run may free it, and may block. */
struct lane_task {
    struct lane_task *next;
    void (*run)(struct lane_task *task);
};

#define LANE_WIDTH_MAX 32

/* Tasks run in up to width threads, which are made as they are needed; the first at once. 0, -ENOMEM, -EAGAIN (no more threads). */
int lane_new(unsigned width, struct lane **ret_lane);
void lane_add(struct lane *lane, struct lane_task *task);
/* Takes a task back that has not begun: true, and run() is never called. */
bool lane_drop(struct lane *lane, struct lane_task *task);
/* Runs what is queued, and ends the threads. One that has not come back after patience ns is left behind, and frees what is left of the
 * lane when it does: -ETIMEDOUT. Accepts NULL. */
int lane_free(struct lane **lane, int64_t patience);

#endif
