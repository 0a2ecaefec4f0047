/*
 * allocations: counts the allocations that the program's own code makes, by the linker's --wrap: a
 * test that links allocations_dep can promise that something makes none.
 */
#pragma once
#include <stddef.h>

[[nodiscard]] size_t allocations_count(void);
