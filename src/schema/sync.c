/*
 * sync: makes the database as the entities are, for development.
 *
 *   read --> (as it was left) --> done
 *    `-- lock, read, compare --> refused | new enum values --> again | all else --> done
 *
 * An enum value cannot be used before the transaction that adds it has ended, so new values have
 * one of their own. The second comparison starts anew: another program may have come between.
 */
#include "db/conn.h"
#include "schema/work_priv.h"

enum { ROUNDS_MAX = 5 };

static bool adds_value(const struct diff_change *change)
{
    return change->kind == DIFF_VALUE;
}

static bool keeps_data(const struct diff_change *change)
{
    return change->kind == DIFF_CHANGE || change->kind == DIFF_RETIRE;
}

static bool is_not_a_value(const struct diff_change *change)
{
    return keeps_data(change) || change->kind == DIFF_EXTRA;
}

static bool is_for_a_person(const struct diff_change *change)
{
    return change->kind == DIFF_NARROW || change->kind == DIFF_REWRITE;
}

static size_t count_of(const struct diff *diff, bool accepts(const struct diff_change *change))
{
    size_t count = 0;
    for (size_t i = 0; i < diff->count; i++)
        count += accepts(&diff->changes[i]);
    return count;
}

static void report(struct work *w, const struct diff *diff,
                   bool accepts(const struct diff_change *change))
{
    for (size_t i = 0; i < diff->count; i++)
        if (accepts(&diff->changes[i]) && !diff->changes[i].is_part)
            work_report_change(w, SCHEMA_REPORT_DONE, &diff->changes[i]);
}

static void report_kept(struct work *w, const struct diff *diff)
{
    for (size_t i = 0; i < diff->count; i++)
        if (diff->changes[i].kind == DIFF_EXTRA)
            work_report(w, SCHEMA_REPORT_NOTE,
                        "kept %.*s, which the entities do not have (--allow-drop drops it)",
                        STR_FMT(diff->changes[i].what));
}

static bool refuse(struct work *w, const struct diff *diff, struct err *e)
{
    for (size_t i = 0; i < diff->count; i++) {
        if (!is_for_a_person(&diff->changes[i]))
            continue;
        work_report_change(w, SCHEMA_REPORT_MISSING, &diff->changes[i]);
        work_report(w, SCHEMA_REPORT_SQL, "%.*s", STR_FMT(diff->changes[i].sql));
    }
    size_t count = count_of(diff, is_for_a_person);
    return err_set(e, ERR_CONFLICT,
                   "%zu change%s of the schema must be written as a migration; nothing was applied",
                   count, count == 1 ? "" : "s");
}

/* One transaction; `*ret_done` when nothing is left to do. */
static bool run_round(struct work *w, bool *ret_done, struct err *e)
{
    struct work_facts facts;
    struct diff diff;
    bool may_drop = w->options->allow_drop;
    if (!work_begin_locked(w, e) || !work_facts(w, &facts, e))
        return false;
    *ret_done = facts.is_current && !may_drop;
    if (*ret_done)
        return db_conn_commit(w->conn, e);
    if (!work_diff(w, &facts, !may_drop, &diff, e))
        return false;
    if (count_of(&diff, is_for_a_person) > 0)
        return refuse(w, &diff, e);
    bool has_values = count_of(&diff, adds_value) > 0;
    bool (*accepts)(const struct diff_change *) = has_values ? adds_value
                                                  : may_drop ? is_not_a_value
                                                             : keeps_data;
    if (!work_apply(w, &diff, accepts, e) || (!has_values && !work_save(w, e)) ||
        !db_conn_commit(w->conn, e))
        return false;
    report(w, &diff, accepts);
    *ret_done = !has_values;
    if (*ret_done && !may_drop)
        report_kept(w, &diff);
    return true;
}

bool sync_run(struct work *w, struct err *e)
{
    struct work_facts facts;
    if (!work_begin(w, e) || !work_facts(w, &facts, e))
        return false;
    db_conn_rollback(w->conn);
    bool done = facts.is_current && !w->options->allow_drop;
    for (int round = 0; !done && round < ROUNDS_MAX; round++)
        if (!run_round(w, &done, e))
            return db_conn_rollback(w->conn), err_in(e, "synchronise the schema");
    return done || err_set(e, ERR_CONFLICT,
                           "another program adds enum values as fast as this one; is an older "
                           "version running beside it?");
}
