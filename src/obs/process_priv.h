/* process: the process_* metrics that every Prometheus client library offers, from /proc/self. */
#pragma once
#include "base/buf.h"

/* What cannot be read is left out. */
void process_metrics_write(struct buf *b);
