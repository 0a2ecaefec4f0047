/* How a load asks: one call at a time, and tables a page at a time. */
#include "base/clock.h"
#include "worker/load_priv.h"

enum { CALL_MS = 60'000 };

void load_end(struct load *load, const struct err *err)
{
    load_done_fn *done = load->done;
    load->done = NULL;
    done(load->owner, err);
}

bool load_try_ask(struct load *load, const struct db_statement *statement,
                  const struct db_args *args, db_reply_fn *fn, struct err *e)
{
    const struct db_step step = { statement, args };
    const struct db_call c = { .lane = DB_LANE_READ,
                               .steps = &step,
                               .step_count = 1,
                               .deadline_us = clock_mono_us() + CALL_MS * CLOCK_MS,
                               .fn = fn,
                               .owner = load };
    if (db_pool_call(load->s->pool, &c, &load->call, e))
        return true;
    load->call = NULL;
    return false;
}

void load_ask(struct load *load, const struct db_statement *statement, const struct db_args *args,
              db_reply_fn *fn)
{
    struct err e;
    if (!load_try_ask(load, statement, args, fn, &e))
        load_end(load, &e);
}

bool load_answered(struct load *load, const struct db_reply *reply)
{
    load->call = NULL;
    if (!reply->err)
        return true;
    struct err e = *reply->err;
    load_end(load, &e);
    return false;
}

/* ── pages ── */

static void page_read(void *owner, const struct db_reply *reply);

static void ask_page(struct load *load, const struct db_rows *before)
{
    arena_reset(load->a);
    load_ask(load, load->pages->statement, load->pages->args(load, before), page_read);
}

static void page_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    struct err e;
    if (!load_answered(load, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        if (!load->pages->row(load, rows, i, &e)) {
            load_end(load, &e);
            return;
        }
    }
    if (db_rows_count(rows) > 0)
        ask_page(load, rows);
    else
        load->pages->then(load);
}

void load_read_pages(struct load *load, const struct load_pages *pages)
{
    load->pages = pages;
    ask_page(load, NULL);
}

int64_t load_after(const struct db_rows *before, int64_t first)
{
    return before ? db_rows_i64(before, db_rows_count(before) - 1, 0) : first;
}
