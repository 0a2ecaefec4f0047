#include "store/public/outbox.h"

#include "base/clock.h"
#include "store/public/outbox_sql.h"

struct db_step outbox_add_step(struct arena *a, const struct outbox_entry *entries, size_t count,
                               int16_t shard)
{
    struct uuid *ids = arena_new_array(a, count, struct uuid);
    struct uuid *subjects = arena_new_array(a, count, struct uuid);
    struct str *kinds = arena_new_array(a, count, struct str);
    struct str *bodies = arena_new_array(a, count, struct str);
    bool *are_sent = arena_new_array(a, count, bool), *are_apart = arena_new_array(a, count, bool);
    for (size_t i = 0; i < count; i++) {
        ids[i] = entries[i].id;
        subjects[i] = entries[i].subject_id;
        kinds[i] = schema_public.enums[ENUM_outbox_kind].labels[entries[i].kind].text;
        bodies[i] = entries[i].body;
        are_sent[i] = entries[i].is_sent;
        are_apart[i] = entries[i].is_apart;
    }
    return (struct db_step){ &outbox_add,
                             outbox_add_args(a, ids, count, kinds, count, subjects, count, bodies,
                                             count, are_sent, count, are_apart, count, shard) };
}

struct db_step outbox_find_step(struct arena *a, const struct uuid *ids, size_t count,
                                int16_t shard, int64_t count_max)
{
    return (struct db_step){ &outbox_find, outbox_find_args(a, ids, count, shard, count_max) };
}

struct db_step outbox_take_step(struct arena *a, int64_t rows_max, int64_t bytes_max, int16_t shard)
{
    return (struct db_step){ &outbox_take, outbox_take_args(a, rows_max, bytes_max, shard) };
}

size_t outbox_read(struct arena *a, const struct db_rows *rows, struct outbox_entry **ret_entries)
{
    size_t count = db_rows_count(rows);
    struct outbox_entry *entries = arena_new_array(a, count, struct outbox_entry);
    for (size_t i = 0; i < count; i++) {
        bool is_job = str_eq_c(db_rows_text(rows, i, 1), "job");
        entries[i] = (struct outbox_entry){ .id = db_rows_uuid(rows, i, 0),
                                            .kind = is_job ? OUTBOX_KIND_JOB : OUTBOX_KIND_TASK,
                                            .subject_id = db_rows_uuid(rows, i, 2),
                                            .body = db_rows_text(rows, i, 3),
                                            .is_apart = db_rows_bool(rows, i, 4),
                                            .is_sent = db_rows_bool(rows, i, 5),
                                            .mark_us = db_rows_i64(rows, i, 6) };
    }
    *ret_entries = entries;
    return count;
}

struct db_step outbox_put_off_step(struct arena *a, const struct outbox_entry *entries,
                                   size_t count)
{
    struct uuid *ids = arena_new_array(a, count, struct uuid);
    for (size_t i = 0; i < count; i++) {
        assert(!entries[i].is_sent && entries[i].mark_us == entries[0].mark_us);
        ids[i] = entries[i].id;
    }
    return (struct db_step){ &outbox_put_off,
                             outbox_put_off_args(a, ids, count, entries[0].mark_us) };
}

struct db_step outbox_part_step(struct arena *a, const struct uuid *misdirected,
                                size_t misdirected_count, const struct uuid *refused,
                                size_t refused_count, const struct uuid *gone, size_t gone_count,
                                int64_t wait_s, int64_t mark_us)
{
    return (struct db_step){ &outbox_part,
                             outbox_part_args(a, misdirected, misdirected_count, refused,
                                              refused_count, gone, gone_count, wait_s, mark_us) };
}

struct db_step outbox_apart_step(void)
{
    return (struct db_step){ &outbox_apart, NULL };
}

struct db_step outbox_done_step(struct arena *a, const struct uuid *ids, size_t count)
{
    return (struct db_step){ &outbox_done, outbox_done_args(a, ids, count) };
}

struct db_step outbox_refuse_tasks_step(struct arena *a, const struct outbox_refusal *refusals,
                                        size_t count)
{
    struct uuid *ids = arena_new_array(a, count, struct uuid);
    struct uuid *others = arena_new_array(a, count, struct uuid);
    struct str *errors = arena_new_array(a, count, struct str);
    for (size_t i = 0; i < count; i++) {
        ids[i] = refusals[i].subject_id;
        others[i] = refusals[i].duplicate_of;
        errors[i] = refusals[i].error;
    }
    return (struct db_step){ &outbox_refuse_tasks, outbox_refuse_tasks_args(a, ids, count, errors,
                                                                            count, others, count) };
}

struct db_step outbox_refuse_job_step(struct arena *a, struct uuid id)
{
    return (struct db_step){ &outbox_refuse_job, outbox_refuse_job_args(a, id) };
}

struct db_step outbox_expire_step(struct arena *a, int64_t kept_us, struct str error,
                                  struct str apart_error, int64_t most)
{
    return (struct db_step){ &outbox_expire,
                             outbox_expire_args(a, kept_us / CLOCK_S, error, apart_error, most) };
}

int64_t outbox_expired(const struct db_rows *rows)
{
    return db_rows_i64(rows, 0, 0);
}

struct db_step outbox_move_step(struct arena *a, const struct outbox_move *moves, size_t count,
                                int64_t mark_us)
{
    struct uuid *ids = arena_new_array(a, count, struct uuid);
    int64_t *shards = arena_new_array(a, count, int64_t);
    for (size_t i = 0; i < count; i++) {
        ids[i] = moves[i].subject_id;
        shards[i] = moves[i].shard;
    }
    return (struct db_step){ &outbox_move,
                             outbox_move_args(a, ids, count, shards, count, mark_us) };
}

struct db_step outbox_cancel_step(struct arena *a, struct uuid task_id, struct actor actor)
{
    return (struct db_step){ &outbox_cancel, outbox_cancel_args(a, task_id, uuid_v7(), uuid_v7(),
                                                                actor.user_id, actor.label) };
}

struct db_step outbox_withdraw_step(struct arena *a, struct uuid job_id, struct actor actor)
{
    return (struct db_step){ &outbox_withdraw, outbox_withdraw_args(a, job_id, uuid_v7(), uuid_v7(),
                                                                    actor.user_id, actor.label) };
}
