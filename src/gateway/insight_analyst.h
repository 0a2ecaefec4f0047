/* insight_analyst: insights without the ai service, by the analyst in this process. */
#pragma once
#include "gateway/insight_view.h"

/*
 * What the analyst finds in the facts of facts.h. Thread: any, with an arena of its own.
 *
 * Errors: what analyst/facts.h says of the facts.
 */
[[nodiscard]] bool insight_analyst_find(struct arena *a, struct str facts_json,
                                        struct insight_views *ret_views, struct err *e);
