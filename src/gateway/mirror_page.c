#include "gateway/mirror_page.h"

#include "base/clock.h"
#include "gateway/worker_client.h"

enum {
    PAGE_BYTES = 256 << 20,
    ASK_DEADLINE_US = 30 * CLOCK_S,
};

void mirror_page_drop(struct mirror_page_read *page)
{
    if (page == NULL)
        return;
    if (page->is_asked)
        page->fn = NULL;
    else
        arena_destroy(page->arena);
}

/* ── reading ── */

static bool read_rows(struct mirror_page_read *page, const struct json_value *tasks, struct err *e)
{
    size_t count = tasks != NULL && tasks->type == JSON_ARRAY ? tasks->item_count : 0;
    struct uuid *ids = arena_new_array(page->arena, count, struct uuid);
    page->rows = arena_new_array(page->arena, count, struct mirror_row);
    for (size_t i = 0; i < count; i++) {
        struct worker_row row;
        if (!worker_read_task(page->arena, &tasks->items[i], &row, e) ||
            !uuid_parse(row.cells[COL_tasks_id], &ids[i]))
            return err_in(e, "tasks[%zu]", i);
        page->rows[i] = (struct mirror_row){ row.told, row.cells };
    }
    page->row_count = count;
    page->page = (struct mirror_page){ .ids = ids, .id_count = count };
    return true;
}

static bool read_jobs(struct mirror_page_read *page, const struct json_value *jobs, struct err *e)
{
    size_t count = jobs != NULL && jobs->type == JSON_ARRAY ? jobs->item_count : 0;
    struct uuid *ids = arena_new_array(page->arena, count, struct uuid);
    page->jobs = arena_new_array(page->arena, count, struct mirror_row);
    for (size_t i = 0; i < count; i++) {
        struct worker_row row;
        if (!worker_read_job(page->arena, &jobs->items[i], &row, e) ||
            !uuid_parse(row.cells[COL_jobs_id], &ids[i]))
            return err_in(e, "jobs[%zu]", i);
        page->jobs[i] = (struct mirror_row){ row.told, row.cells };
    }
    page->job_count = count;
    page->job_page = (struct mirror_page){ .ids = ids, .id_count = count };
    return true;
}

static bool read_page(struct mirror_page_read *page, struct err *e)
{
    const struct json_value *next = json_get_c(page->body, "next");
    if (!worker_read_cursor(json_get_c(page->body, "cursor"), page->shard, &page->cursor, e) ||
        !read_rows(page, json_get_c(page->body, "tasks"), e) ||
        !read_jobs(page, json_get_c(page->body, "jobs"), e))
        return false;
    page->has_next = next != NULL && next->type == JSON_STRING;
    if (page->has_next && !uuid_parse(next->text, &page->next))
        return err_set(e, ERR_INVALID, "next: not an id");
    page->page.after = page->after;
    page->page.last = page->next;
    if (!page->has_next)
        memset(page->page.last.bytes, 0xff, sizeof page->page.last.bytes);
    return true;
}

/* ── asking ── */

static void answered(void *owner, const struct worker_reply *reply)
{
    struct mirror_page_read *page = owner;
    page->is_asked = false;
    if (page->fn == NULL) {
        mirror_page_drop(page);
        return;
    }
    page->body = reply->body;
    if (reply->body == NULL) {
        page->err = *reply->err;
        page->is_too_large = reply->err->code == ERR_LIMIT;
    } else {
        (void)read_page(page, &page->err);
    }
    page->fn(page->owner, page);
}

struct mirror_page_read *mirror_page_ask(struct mirror *m, const struct uuid *after, size_t limit,
                                         void (*fn)(void *owner, struct mirror_page_read *page),
                                         void *owner)
{
    char path[160], text[UUID_TEXT_LEN + 1];
    struct err e;
    struct arena *a = arena_create(PAGE_BYTES);
    struct mirror_page_read *page = arena_new(a, struct mirror_page_read);
    *page = (struct mirror_page_read){
        .arena = a, .fn = fn, .owner = owner, .shard = m->shard, .has_after = after != NULL
    };
    if (after != NULL) {
        page->after = *after;
        uuid_format(*after, text);
        snprintf(path, sizeof path, "/v1/snapshot?limit=%zu&after=%s", limit, text);
    } else {
        snprintf(path, sizeof path, "/v1/snapshot?limit=%zu&job_changes_from=%lld", limit,
                 (long long)max_of(m->stored, INT64_C(0)));
    }
    const struct worker_call_options options = { .path = path,
                                                 .arena = a,
                                                 .deadline_us = clock_mono_us() + ASK_DEADLINE_US,
                                                 .fn = answered,
                                                 .owner = page };
    page->is_asked = worker_client_call(m->loop->workers[m->shard], &options, &e);
    if (page->is_asked)
        return page;
    arena_destroy(a);
    return NULL;
}
