/* told_priv: how the workers' lists are called, for told.c, told_change.c and told_merge.c. */
#pragma once
#include "gateway/told.h"

struct told_kind_of {
    const char *path, *list;
    const char *name; /* the member of an object that tells it apart, and of the answer to a change;
                         NULL: all are apart */
    const char *words;  /* what told_paused calls one */
    const char *beside; /* a list of texts beside it, each once; NULL: none */
    bool is_owned;      /* what the shard that owns a queue says of it stands first */
};
extern const struct told_kind_of told_kinds[TOLD_COUNT];
