/* SystemHealth.outboxApart: what waits there and holds back nobody. */
#include "gateway/await.h"
#include "gateway/bindings.h"
#include "store/public/outbox.h"

static void got_count(struct gql_step *step, const struct db_reply *reply)
{
    step->results[0] = gql_int(min_of(db_rows_i64(reply->rows[0], 0, 0), (int64_t)INT32_MAX));
    gql_step_finish(step);
}

static enum gql_next resolve_apart(struct gql_step *step)
{
    const struct db_step read = outbox_apart_step();
    if (await_request(step)->loop->is_database_up)
        return await_db(step, DB_LANE_READ, &read, 1, got_count);
    step->results[0] = gql_null();
    return GQL_DONE;
}

const struct gateway_binding bindings_outbox[] = {
    { "SystemHealth.outboxApart", { .resolve = resolve_apart } },
    { 0 },
};
