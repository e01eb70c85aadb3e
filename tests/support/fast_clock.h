/*
 * Lets the clocks of the library run fast for a while, so that a test of what happens after seconds takes a fraction of one. Steps are small
 * beside what is measured by them: who works meanwhile seems slow, not dead.
 */
#ifndef CAIRN_TESTS_FAST_CLOCK_H
#define CAIRN_TESTS_FAST_CLOCK_H

void fast_clock_start(void);
void fast_clock_stop(void);

#endif
