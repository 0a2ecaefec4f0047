/* random: bytes from the kernel's generator; for secrets, ids and hash seeds alike. */
#pragma once
#include "base/base.h"

/* Fills `dst`; the process ends when the kernel cannot give any. Thread: any. */
void random_bytes(void *dst, size_t size);
