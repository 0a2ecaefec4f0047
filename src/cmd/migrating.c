/* migrating: which databases and schemas a command of `windlass migrate` works on. */
#include "cmd/migrating_priv.h"

#include "base/clock.h"
#include "db/conn.h"
#include "schema/provision.h"

const struct schema_set *const migrating_sets[MIGRATING_SET_COUNT] = { &schema_public,
                                                                       &schema_worker,
                                                                       &schema_windlass };

void migrating_clear(struct migrating *s)
{
    arena_destroy(s->a);
}

bool migrating_join_cluster(struct migrating *s, enum up_role role, struct err *e)
{
    const char *url = NULL;
    const struct up_cluster_options options = { .arena = s->a,
                                                .data = conf_cstr(s->conf, CONF_DATA),
                                                .programs = conf_cstr(s->conf, CONF_PG_BIN) };
    if (!up_cluster_find(&options, &s->cluster, e) ||
        !up_cluster_join(&s->cluster, role, (int)s->shard, &url, e)) {
        const struct err cause = *e;
        return err_set(e, ERR_INVALID,
                       "no database is named (--database-url, DATABASE_URL), and %s",
                       cause.message);
    }
    s->url = str_of_c(url);
    s->role = role;
    s->is_cluster = true;
    return true;
}

/* Of the private cluster, which `up --shards` gave a database for each. */
static bool count_shards(struct migrating *s, struct err *e)
{
    scoped(db_conn_destroyp) struct db_conn *conn = NULL;
    const struct db_conn_options options = { .url = s->url,
                                             .connect_timeout_ms = s->options.connect_timeout_ms,
                                             .application_name = "windlass migrate" };
    bool is_there = true;
    if (!db_conn_open(&options, &conn, e))
        return false;
    while (s->shard_count < SHARD_MAP_SHARDS_MAX) {
        char name[UP_DATABASE_NAME_MAX];
        up_cluster_name_database((int)s->shard_count, name);
        if (!schema_has_database(conn, str_of_c(name), &is_there, e))
            return false;
        if (!is_there)
            break;
        s->shard_count++;
    }
    return true;
}

/* What follows is about the database of this shard; `own` is empty where that is the main one, or
 * of the private cluster. */
static void turn_to(struct migrating *s, unsigned shard, struct str own)
{
    struct str main = conf_str(s->conf, CONF_MIGRATE_DATABASE_URL);
    s->shard = shard;
    if (own.len == 0 && s->is_cluster)
        own = str_of_c(up_cluster_url(&s->cluster, s->role, (int)shard));
    s->url = own.len > 0 ? own : main.len > 0 ? main : conf_str(s->conf, CONF_DATABASE_URL);
}

bool migrating_next(struct migrating *s)
{
    if (conf_is_given(s->conf, CONF_SHARD) || s->shard + 1 >= s->shard_count)
        return false;
    turn_to(s, s->shard + 1, s->given.texts[s->shard + 1]);
    return true;
}

bool migrating_open(struct migrating *s, const struct conf *conf, bool reads_folder,
                    schema_report_fn *report, void *owner, struct err *e)
{
    int64_t shard = conf_int(conf, CONF_SHARD);
    struct str own;
    *s = (struct migrating){ .conf = conf, .a = arena_create(0), .reads_folder = reads_folder };
    s->options = (struct schema_options){
        .connect_timeout_ms = conf_duration_us(conf, CONF_DB_CONNECT_TIMEOUT) / CLOCK_MS,
        .report = report,
        .owner = owner,
    };
    if (!shard_texts_read(conf_str(conf, CONF_SHARD_DATABASE_URLS), &s->given, e) ||
        !shard_texts_pick(&s->given, "shard-database-urls", (size_t)shard, &own, e))
        return false;
    turn_to(s, (unsigned)shard, own);
    s->shard_count = s->given.shard_count;
    if (!str_is_empty(s->url))
        return true;
    return migrating_join_cluster(s, UP_ROLE_OWNER, e) &&
           (s->shard_count > 1 || conf_is_given(conf, CONF_SHARD) || count_shards(s, e));
}

size_t migrating_first_set(const struct migrating *s)
{
    assert(migrating_sets[0] == &schema_public);
    return s->shard > 0 ? 1 : 0;
}

bool migrating_use(struct migrating *s, const struct schema_set *set, struct err *e)
{
    s->options.set = set;
    if (!conf_is_given(s->conf, CONF_DIR))
        return true;
    s->folder = arena_printf(s->a, "%s/%.*s", conf_cstr(s->conf, CONF_DIR), STR_FMT(set->name)).ptr;
    s->options.migrations = s->reads_folder ? &s->list : NULL;
    return !s->reads_folder || migration_load(s->a, s->folder, &s->list, e);
}
