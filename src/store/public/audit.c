#include "store/public/audit.h"

#include "base/clock.h"
#include "store/public/audit_sql.h"

struct db_step audit_expire_step(struct arena *a, int64_t kept_us, int32_t most)
{
    return (struct db_step){ &audit_expire, audit_expire_args(a, kept_us / CLOCK_S, most) };
}

int64_t audit_expired(const struct db_rows *rows)
{
    return db_rows_i64(rows, 0, 0);
}

/* Where none is given, a version 7 id of its moment, with shard and number below it. */
static struct uuid id_of(const struct audit_record *record)
{
    struct uuid id = uuid_floor(record->at_us);
    uint64_t seq = (uint64_t)record->seq;
    static const struct uuid nil;
    if (!uuid_eq(record->id, nil))
        return record->id;
    assert(record->shard >= 0 && record->shard < 1 << 12);
    id.bytes[6] = (uint8_t)(0x70 | record->shard >> 8);
    id.bytes[7] = (uint8_t)record->shard;
    for (size_t i = 0; i < 8; i++)
        id.bytes[15 - i] = (uint8_t)(seq >> (8 * i));
    id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3f));
    return id;
}

struct db_step audit_record_step(struct arena *a, const struct audit_record *records, size_t count)
{
    struct uuid *ids = arena_new_array(a, count, struct uuid);
    struct uuid *users = arena_new_array(a, count, struct uuid);
    int64_t *ats = arena_new_array(a, count, int64_t);
    struct str *texts[4];
    for (size_t t = 0; t < countof(texts); t++)
        texts[t] = arena_new_array(a, count, struct str);
    for (size_t i = 0; i < count; i++) {
        ids[i] = id_of(&records[i]);
        users[i] = records[i].user_id;
        ats[i] = records[i].at_us;
        texts[0][i] = records[i].label;
        texts[1][i] = records[i].action;
        texts[2][i] = records[i].subject;
        texts[3][i] = records[i].detail.ptr != NULL ? records[i].detail : STR("");
    }
    return (struct db_step){ &audit_record, audit_record_args(a, ids, count, users, count, texts[0],
                                                              count, texts[1], count, texts[2],
                                                              count, texts[3], count, ats, count) };
}

struct db_step audit_finish_step(struct arena *a, const struct audit_record *records, size_t count)
{
    struct uuid *ids = arena_new_array(a, count, struct uuid);
    struct str *details = arena_new_array(a, count, struct str);
    for (size_t i = 0; i < count; i++) {
        ids[i] = records[i].id;
        details[i] = records[i].detail.ptr != NULL ? records[i].detail : STR("");
    }
    return (struct db_step){ &audit_finish, audit_finish_args(a, ids, count, details, count) };
}

struct db_step audit_begin_step(struct arena *a, const struct audit_record *act, int16_t shards)
{
    struct str detail = act->detail.ptr != NULL ? act->detail : STR("");
    return (struct db_step){ &audit_begin,
                             audit_begin_args(a, act->id, act->user_id, act->label, act->action,
                                              act->subject, detail, shards) };
}

struct db_step audit_told_step(struct arena *a, const struct audit_record *acts, size_t count,
                               int64_t shards)
{
    struct uuid *ids = arena_new_array(a, count, struct uuid);
    for (size_t i = 0; i < count; i++)
        ids[i] = acts[i].id;
    return (struct db_step){ &audit_told, audit_told_args(a, ids, count, shards) };
}

struct db_step audit_end_step(struct arena *a, struct uuid id)
{
    return (struct db_step){ &audit_end, audit_end_args(a, id) };
}

struct db_step audit_settle_step(struct arena *a, int64_t kept_us, int64_t late_us, int64_t most)
{
    return (struct db_step){ &audit_settle,
                             audit_settle_args(a, kept_us / CLOCK_S, late_us / CLOCK_S, most) };
}

int64_t audit_settled(const struct db_rows *rows)
{
    return db_rows_i64(rows, 0, 0);
}
