/* version: which program this is. For `windlass version`, GET /version and windlass_build_info. */
#pragma once
#include "base/base.h"

struct version_fact {
    const char *name, *value;
};

[[nodiscard]] const char *version_text(void);   /* "0.1.0" */
[[nodiscard]] const char *version_commit(void); /* "789e5db0c3f1", "+" behind a changed tree */

/* version, commit, date, compiler and the libraries built against, in the order to show them. */
[[nodiscard]] const struct version_fact *version_facts(size_t *ret_count);
