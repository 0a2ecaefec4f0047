#include "schema/diff_priv.h"

enum { CHANGES_FIRST = 16 };

/* Keeps the order of phases, and within a phase that of coming. */
void diff_add(struct differ *d, enum diff_kind kind, enum diff_phase phase, const char *verb,
              struct str what, struct str sql)
{
    struct diff *diff = &d->diff;
    if (diff->count == diff->capacity) {
        size_t capacity = diff->capacity ? diff->capacity * 2 : CHANGES_FIRST;
        struct diff_change *grown = arena_new_array(d->a, capacity, struct diff_change);
        if (diff->count)
            memcpy(grown, diff->changes, diff->count * sizeof *grown);
        diff->changes = grown;
        diff->capacity = capacity;
    }
    size_t at = diff->count++;
    for (; at > 0 && diff->changes[at - 1].phase > phase; at--)
        diff->changes[at] = diff->changes[at - 1];
    diff->changes[at] = (struct diff_change){ .kind = kind,
                                              .phase = phase,
                                              .verb = str_of_c(verb),
                                              .what = arena_copy(d->a, what),
                                              .sql = sql,
                                              .is_part = d->is_in_new };
}

/* A function that acts with its owner's rights is for those alone who were given it. */
static void diff_function_rights(struct differ *d, const struct schema_function *have,
                                 const struct schema_function *want)
{
    struct arena *a = d->a;
    struct str name = diff_name(a, want->name), role = d->options->role;
    if (!want->is_public && (!have || have->is_public))
        diff_add(d, DIFF_CHANGE, DIFF_RIGHT, "revoke",
                 arena_printf(a, "function %.*s from everybody", STR_FMT(want->name)),
                 arena_printf(a, "REVOKE EXECUTE ON FUNCTION %.*s FROM PUBLIC;", STR_FMT(name)));
    if (!str_is_empty(role) && !str_is_empty(want->rights) && (!have || str_is_empty(have->rights)))
        diff_add(d, DIFF_CHANGE, DIFF_RIGHT, "grant",
                 arena_printf(a, "function %.*s to %.*s", STR_FMT(want->name), STR_FMT(role)),
                 arena_printf(a, "GRANT EXECUTE ON FUNCTION %.*s TO %.*s;", STR_FMT(name),
                              STR_FMT(diff_name(a, role))));
}

static void diff_functions(struct differ *d)
{
    for (size_t i = 0; i < d->to->function_count; i++) {
        const struct schema_function *want = &d->to->functions[i];
        const struct schema_function *have = model_find_function(d->from, want->name);
        d->is_in_new = have == NULL;
        diff_function_rights(d, have, want);
        d->is_in_new = false;
        if (have && str_eq(have->sql, want->sql))
            continue;
        struct str name = diff_name(d->a, want->name);
        diff_add(d, DIFF_CHANGE, DIFF_FUNCTION, have ? "replace" : "add",
                 arena_printf(d->a, "function %.*s", STR_FMT(want->name)),
                 arena_printf(d->a, "CREATE OR REPLACE FUNCTION %.*s%.*s;", STR_FMT(name),
                              STR_FMT(want->sql)));
    }
    for (size_t i = 0; i < d->from->function_count; i++) {
        const struct schema_function *have = &d->from->functions[i];
        if (!model_find_function(d->to, have->name))
            diff_add(
                d, DIFF_EXTRA, DIFF_DROP_FUNCTION, "drop",
                arena_printf(d->a, "function %.*s", STR_FMT(have->name)),
                arena_printf(d->a, "DROP FUNCTION %.*s;", STR_FMT(diff_name(d->a, have->name))));
    }
}

static void diff_usage(struct differ *d)
{
    const struct diff_options *o = d->options;
    if (str_is_empty(o->role) || d->from->role_may_use)
        return;
    struct arena *a = d->a;
    diff_add(d, DIFF_CHANGE, DIFF_RIGHT, "grant",
             arena_printf(a, "USAGE on schema %.*s to %.*s", STR_FMT(o->schema), STR_FMT(o->role)),
             arena_printf(a, "GRANT USAGE ON SCHEMA %.*s TO %.*s;",
                          STR_FMT(diff_name(a, o->schema)), STR_FMT(diff_name(a, o->role))));
}

void diff_models(struct arena *a, const struct model *from, const struct model *to,
                 const struct diff_options *options, struct diff *ret_diff)
{
    struct differ d = { .a = a, .from = from, .to = to, .options = options };
    diff_enums(&d);
    diff_tables(&d);
    diff_functions(&d);
    diff_usage(&d);
    *ret_diff = d.diff;
}
