/*
 * up_log: one stream of whole lines, each naming its service, out of what many children write.
 * Lines of our own services are passed on as they came; everything else (PostgreSQL's messages, a
 * library's last words before an abort) is put into a line of ours.
 */
#pragma once
#include "base/buf.h"
#include "base/log.h"

/* Longer lines are cut; no service of ours writes one. */
enum { UP_LINE_BYTES_MAX = 16 * 1024 };

typedef void up_line_fn(void *owner, struct str line);

/* Makes lines of the pieces that a pipe gives. */
struct up_lines {
    struct buf partial;
    bool is_cutting; /* the rest of a line that was too long is thrown away */
};

void up_lines_init(struct up_lines *lines);
void up_lines_clear(struct up_lines *lines);
/* Calls `fn` for each line that the bytes complete, without its line end; empty ones are left out.
 */
void up_lines_feed(struct up_lines *lines, struct str bytes, up_line_fn *fn, void *owner);
/* What is left when no more will come is a line too. */
void up_lines_end(struct up_lines *lines, up_line_fn *fn, void *owner);

/* True for a line that log.h has written, in any of its formats, and that names the service. */
[[nodiscard]] bool up_log_is_ours(struct str line, const char *service);
/* Passes a service's line on, or puts it into one of ours. */
void up_log_relay(const char *service, struct str line);

/* One message of PostgreSQL, as UP_POSTGRES_LINE_PREFIX makes it write. */
struct up_postgres_line {
    struct str pid, sqlstate, severity, text;
};
#define UP_POSTGRES_LINE_PREFIX "%p %e "

/* False for what has no such prefix: a message's further lines, which begin with a tab. */
[[nodiscard]] bool up_postgres_parse(struct str line, struct up_postgres_line *ret_line);
/*
 * How loud it is with us: what a client is told of anyhow, and what belongs to starting and
 * stopping, is no more than DEBUG.
 */
[[nodiscard]] enum log_level up_postgres_level(const struct up_postgres_line *line);
