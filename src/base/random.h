/* random: bytes from the kernel's generator; for secrets, ids and hash seeds alike. */
#pragma once
#include "base/base.h"

/* Fills `dst`; the process ends when the kernel cannot give any. Thread: any. */
void random_bytes(void *dst, size_t size);

/*
 * The same from a small pool of the calling thread, so that a few bytes cost no system call: for
 * ids, which need to differ but not to be secret. A child made by fork must not call it before
 * exec.
 */
void random_ids(void *dst, size_t size);
