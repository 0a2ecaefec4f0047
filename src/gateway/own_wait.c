#include "gateway/own_wait.h"

struct own_claim {
    struct uuid id;
    struct mirror_row *row; /* to be left out once it is stored; NULL: none is */
};

void own_wait_begin(struct own_wait *ret_wait, const struct window *w, struct mirror_row *rows,
                    size_t born, size_t unchanged)
{
    size_t capacity = born + w->dropped_count + w->task_count;
    struct own_wait wait = { .claims = arena_new_array(w->arena, capacity, struct own_claim) };
    for (size_t i = 0; i < born; i++) {
        struct own_claim *claim = &wait.claims[wait.count];
        if (uuid_parse(rows[i].cells[COL_tasks_id], &claim->id)) {
            claim->row = i < unchanged ? &rows[i] : NULL;
            wait.count++;
        }
    }
    for (size_t i = 0; i < w->dropped_count; i++)
        wait.claims[wait.count++] = (struct own_claim){ .id = w->dropped[i] };
    for (size_t i = 0; w->range_count > 0 && i < w->task_count; i++)
        if (w->tasks[i]->is_gone)
            wait.claims[wait.count++] = (struct own_claim){ .id = w->tasks[i]->id };
    *ret_wait = wait;
}

bool own_wait_look(struct own_wait *wait, struct own_rows *own)
{
    size_t under_way = 0;
    for (size_t i = 0; i < wait->count; i++) {
        struct own_claim claim = wait->claims[i];
        enum own_row state = own_rows_take(own, claim.id);
        if (state == OWN_ROW_UNDER_WAY)
            wait->claims[under_way++] = claim;
        else if (state == OWN_ROW_STORED && claim.row != NULL)
            claim.row->cells = NULL;
    }
    wait->count = under_way;
    return under_way == 0;
}
