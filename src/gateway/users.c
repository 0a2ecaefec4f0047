#include "gateway/users.h"

#include "gateway/access.h"
#include "gateway/bindings.h"
#include "gateway/check.h"

const struct schema_table *users_table(void)
{
    return &schema_public.tables[TABLE_users];
}

/* ── plans ── */

/* The columns that the selections of User below `sel` read; __typename and the like have none. */
static uint64_t columns_of(const struct gql_selection *sel)
{
    uint64_t columns = SELECT_BIT(COL_users_id);
    for (uint32_t s = 0; sel != NULL && s < sel->count; s++)
        for (uint32_t i = 0; i < sel->sets[s]->count; i++)
            if (binding_number(sel->sets[s]->fields[i]) >= 0)
                columns |= SELECT_BIT(binding_number(sel->sets[s]->fields[i]));
    return columns;
}

/* Tells those fields where in a row of `columns` they are. */
static void place_columns(const struct gql_selection *sel, uint64_t columns)
{
    for (uint32_t s = 0; sel != NULL && s < sel->count; s++)
        for (uint32_t i = 0; i < sel->sets[s]->count; i++) {
            struct gql_field *f = sel->sets[s]->fields[i];
            if (binding_number(f) >= 0)
                f->column = select_position(columns, binding_number(f));
        }
}

typedef void selection_fn(const struct gql_selection *sel, uint64_t *columns);

static void each_below(const struct gql_field *f, const char *const *path, selection_fn *fn,
                       uint64_t *columns)
{
    if (*path == NULL) {
        fn(f->selection, columns);
        return;
    }
    for (uint32_t s = 0; f->selection != NULL && s < f->selection->count; s++)
        for (uint32_t i = 0; i < f->selection->sets[s]->count; i++)
            if (str_eq_c(f->selection->sets[s]->fields[i]->name, *path))
                each_below(f->selection->sets[s]->fields[i], path + 1, fn, columns);
}

static void collect(const struct gql_selection *sel, uint64_t *columns)
{
    *columns |= columns_of(sel);
}

static void place(const struct gql_selection *sel, uint64_t *columns)
{
    place_columns(sel, *columns);
}

uint64_t users_columns_below(struct gql_field *f, const char *const *const *paths)
{
    uint64_t columns = SELECT_BIT(COL_users_id);
    for (size_t i = 0; paths[i] != NULL; i++)
        each_below(f, paths[i], collect, &columns);
    for (size_t i = 0; paths[i] != NULL; i++)
        each_below(f, paths[i], place, &columns);
    return columns;
}

static struct user_plan *plan_of(uint64_t columns, struct arena *plan_arena)
{
    struct user_plan *plan = arena_new(plan_arena, struct user_plan);
    static const struct select_filter by_id = { .op = SELECT_EQ, .column = COL_users_id },
                                      by_ids = { .op = SELECT_IN, .column = COL_users_id };
    struct select select = { .table = users_table(), .columns = columns, .filter = &by_id };
    plan->columns = columns;
    plan->by_id = select_statement(plan_arena, &select);
    select.filter = &by_ids;
    plan->by_ids = select_statement(plan_arena, &select);
    return plan;
}

void *users_prepare(struct gql_field *f, struct arena *plan_arena)
{
    uint64_t columns = columns_of(f->selection);
    place_columns(f->selection, columns);
    return plan_of(columns, plan_arena);
}

void *users_prepare_below(struct gql_field *f, struct arena *plan_arena)
{
    static const char *const user[] = { "user", NULL }, *const *const paths[] = { user, NULL };
    return plan_of(users_columns_below(f, paths), plan_arena);
}

struct db_step users_by_id_step(const struct gql_step *step, struct uuid id)
{
    const struct user_plan *plan = step->field->plan_data;
    struct db_args *args = db_args_create(step->arena);
    db_args_uuid(args, id);
    return (struct db_step){ plan->by_id, args };
}

static struct user_row *users_objects(const struct gql_step *step, struct db_rows *rows)
{
    size_t count = db_rows_count(rows);
    struct user_row *users = arena_new_array(step->arena, count, struct user_row);
    db_rows_keep(rows, step->arena);
    for (size_t i = 0; i < count; i++)
        users[i] = (struct user_row){ rows, i };
    return users;
}

struct user_row *users_object(const struct gql_step *step, struct db_rows *rows)
{
    return db_rows_count(rows) > 0 ? users_objects(step, rows) : NULL;
}

struct uuid users_object_id(const struct user_row *user)
{
    return db_rows_uuid(user->rows, user->row, 0);
}

/* ── one user for each parent ── */

/* A user that was found, by his id. */
struct found_user {
    struct uuid id;
    struct user_row *row;
};

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid)); /* a found user begins with his */
}

static void got_each(struct gql_step *step, const struct db_reply *reply)
{
    const struct uuid *ids = step->host;
    size_t count = db_rows_count(reply->rows[0]);
    struct user_row *users = users_objects(step, reply->rows[0]);
    struct found_user *found = arena_new_array(step->arena, count, struct found_user);
    for (size_t i = 0; i < count; i++)
        found[i] = (struct found_user){ users_object_id(&users[i]), &users[i] };
    qsort(found, count, sizeof *found, compare_ids);
    for (size_t i = 0; i < step->count; i++) {
        const struct found_user *user = bsearch(&ids[i], found, count, sizeof *found, compare_ids);
        step->results[i] = gql_object(user != NULL ? user->row : NULL);
    }
    gql_step_finish(step);
}

enum gql_next users_resolve_each(struct gql_step *step, const struct uuid *ids)
{
    static const struct uuid nobody = { 0 };
    const struct user_plan *plan = step->field->plan_data;
    struct uuid *wanted = arena_new_array(step->arena, step->count, struct uuid);
    struct db_args *args = db_args_create(step->arena);
    size_t count = 0;
    memcpy(wanted, ids, step->count * sizeof *ids);
    qsort(wanted, step->count, sizeof *wanted, compare_ids);
    for (size_t i = 0; i < step->count; i++)
        if (!uuid_eq(wanted[i], nobody) && (count == 0 || !uuid_eq(wanted[i], wanted[count - 1])))
            wanted[count++] = wanted[i];
    if (count == 0)
        return GQL_DONE;
    db_args_uuids(args, wanted, count);
    struct db_step by_ids = { plan->by_ids, args };
    step->host = (void *)(uintptr_t)ids;
    return await_db(step, DB_LANE_READ, &by_ids, 1, got_each);
}

bool users_read_id(const char *name, const struct gql_value *value, struct uuid *ret_id,
                   struct err *e)
{
    return uuid_parse(value->text, ret_id) ||
           err_set(e, ERR_INVALID, "%s: not an id, which is a UUID such as %s", name,
                   "0192f1f3-6b5c-7c3e-9d1a-2f4b6c8d0e1f");
}

/* ── User ── */

static struct str cell(const struct gql_field *f, const struct user_row *user)
{
    return db_rows_text(user->rows, user->row, f->column);
}

static void get_text(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    (void)ctx;
    *ret_value = gql_text(cell(f, parent));
}

/* Address and last use are for OPERATOR and ADMIN, and for oneself. */
static bool may_see_private(const struct request *r, const struct user_row *user)
{
    return access_has_role(r->credential, ROLE_OPERATOR) ||
           uuid_eq(r->self, db_rows_uuid(user->rows, user->row, 0));
}

static void get_email(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    if (may_see_private(ctx, parent))
        *ret_value = gql_text(cell(f, parent));
}

static void get_role(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct schema_enum *roles = &schema_public.enums[ENUM_user_role];
    int role = schema_label_of(roles, cell(f, parent));
    (void)ctx;
    assert(role >= 0);
    *ret_value = gql_enum(roles->labels[role].name);
}

static void get_time(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct user_row *user = parent;
    const struct request *r = ctx;
    *ret_value = binding_time_cell(r->arena, cell(f, user));
}

static void get_last_seen(const struct gql_field *f, void *ctx, void *parent,
                          struct gql_value *ret_value)
{
    const struct user_row *user = parent;
    if (may_see_private(ctx, user) && !db_rows_is_null(user->rows, user->row, f->column))
        get_time(f, ctx, parent, ret_value);
}

/* ── me, user, userByEmail ── */

static void read_one(struct gql_step *step, const struct db_reply *reply)
{
    step->results[0] = gql_object(users_object(step, reply->rows[0]));
    gql_step_finish(step);
}

static enum gql_next resolve_me(struct gql_step *step)
{
    const struct credential *c = await_request(step)->credential;
    if (c == NULL)
        return GQL_DONE; /* null: nobody is signed in */
    struct db_step by_id = users_by_id_step(step, c->owner.user_id);
    return await_db(step, DB_LANE_READ, &by_id, 1, read_one);
}

static enum gql_next resolve_user(struct gql_step *step)
{
    struct uuid id;
    struct err e;
    if (!users_read_id("id", gql_arg(step, "id"), &id, &e))
        return gql_step_fail(step, &e);
    struct db_step by_id = users_by_id_step(step, id);
    return await_db(step, DB_LANE_READ, &by_id, 1, read_one);
}

static enum gql_next resolve_user_by_email(struct gql_step *step)
{
    const struct user_plan *plan = step->field->plan_data;
    struct select_filter filter = { .op = SELECT_EQ_NOCASE, .column = COL_users_email };
    struct err e;
    if (!check_email("email", gql_arg(step, "email")->text, step->arena, &filter.value, &e))
        return gql_step_fail(step, &e);
    const struct select select = { .table = users_table(),
                                   .columns = plan->columns,
                                   .filter = &filter };
    struct db_step by_email = { select_statement(step->arena, &select),
                                select_args(step->arena, &select) };
    return await_db(step, DB_LANE_READ, &by_email, 1, read_one);
}

const struct gateway_binding bindings_users[] = {
    { "Query.me", { .resolve = resolve_me, .prepare = users_prepare } },
    { "Query.user", { .resolve = resolve_user, .prepare = users_prepare } },
    { "Query.userByEmail", { .resolve = resolve_user_by_email, .prepare = users_prepare } },
    { "User.id", { .get = get_text, .data = BINDING_NUMBER(COL_users_id) } },
    { "User.email", { .get = get_email, .data = BINDING_NUMBER(COL_users_email) } },
    { "User.name", { .get = get_text, .data = BINDING_NUMBER(COL_users_name) } },
    { "User.role", { .get = get_role, .data = BINDING_NUMBER(COL_users_role) } },
    { "User.lastSeenAt", { .get = get_last_seen, .data = BINDING_NUMBER(COL_users_last_seen_at) } },
    { "User.createdAt", { .get = get_time, .data = BINDING_NUMBER(COL_users_created_at) } },
    { "User.updatedAt", { .get = get_time, .data = BINDING_NUMBER(COL_users_updated_at) } },
    { 0 },
};
