/* limits_priv: what the commands of `windlass type` and `windlass queue` share. */
#pragma once
#include "cmd/api_priv.h"

/* "paused" or "open", of what has the members paused, pausedBy, pausedReason and source. */
[[nodiscard]] struct table_cell limits_status_cell(const struct json_value *v);
/* Who paused it and why, and whether that is old news; empty where there is nothing to say. */
[[nodiscard]] struct str limits_detail(struct api *api, const struct json_value *v);
