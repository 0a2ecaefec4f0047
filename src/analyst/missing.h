/* missing: what stands for a value that is not there; ask with isnan. */
#pragma once
#include <math.h>

#define MISSING ((double)NAN)
