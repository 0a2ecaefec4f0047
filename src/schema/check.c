/* check: whether the database has what the program needs. Changes nothing. */
#include "db/conn.h"
#include "schema/migrate_priv.h"
#include "schema/work_priv.h"

/*
 * What a newer program added does not stop an older one, so that the two can run side by side in an
 * upgrade.
 */
bool check_is_harmless(const struct diff_change *change)
{
    return change->kind == DIFF_EXTRA || change->kind == DIFF_RETIRE || change->kind == DIFF_NARROW;
}

static bool refuse(struct work *w, const struct work_facts *facts, size_t missing, struct err *e)
{
    const struct migration *next = NULL;
    if (facts->has_migrations && !migrate_next(w, &next, e))
        return false;
    if (next)
        return err_set(e, ERR_CONFLICT,
                       "the database lacks %zu thing%s that this program needs: run `windlass "
                       "migrate run`, which starts with %.*s",
                       missing, missing == 1 ? "" : "s", STR_FMT(next->name));
    return err_set(e, ERR_CONFLICT, "the database lacks %zu thing%s that this program needs",
                   missing, missing == 1 ? "" : "s");
}

static bool compare(struct work *w, struct err *e)
{
    struct work_facts facts;
    struct diff diff;
    if (!work_facts(w, &facts, e))
        return false;
    if (facts.is_current)
        return true;
    if (!work_diff(w, &facts, true, &diff, e))
        return false;
    size_t missing = 0;
    for (size_t i = 0; i < diff.count; i++) {
        const struct diff_change *change = &diff.changes[i];
        if (check_is_harmless(change)) {
            work_report(w, SCHEMA_REPORT_NOTE, "the database has %.*s beyond what is needed",
                        STR_FMT(change->what));
            continue;
        }
        if (change->is_part)
            continue;
        work_report_change(w, SCHEMA_REPORT_MISSING, change);
        missing++;
    }
    return missing == 0 || refuse(w, &facts, missing, e);
}

bool check_run(struct work *w, struct err *e)
{
    bool done = work_begin(w, e) && compare(w, e);
    db_conn_rollback(w->conn);
    return done || err_in(e, "check the schema");
}
