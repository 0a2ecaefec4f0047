#include "schema/schema.h"

#include "schema/work_priv.h"

bool schema_prepare(struct str url, enum schema_mode mode, const struct schema_options *options,
                    struct err *e)
{
    static const struct schema_options none;
    scoped(work_clear) struct work w;
    if (!work_open(&w, url, options ? options : &none, e))
        return false;
    switch (mode) {
    case SCHEMA_MODE_SYNCHRONISE:
        return sync_run(&w, e);
    case SCHEMA_MODE_MIGRATE:
        return migrate_run(&w, e);
    case SCHEMA_MODE_CHECK:
        break;
    }
    return check_run(&w, e);
}

static char version[32];

static void make_version(void)
{
    struct arena *a = arena_create(0);
    struct migration_list list;
    struct model declared;
    char digest[SHA256_HEX_LEN + 1];
    migration_embedded(a, &schema_public, &list);
    model_of_set(a, &schema_public, &declared);
    model_digest(&declared, digest);
    snprintf(version, sizeof version, "%04zu-%.8s", list.count, digest);
    arena_destroy(a);
}

const char *schema_version(void)
{
    static once_flag once = ONCE_FLAG_INIT;
    call_once(&once, make_version);
    return version;
}
