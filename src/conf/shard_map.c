#include "conf/shard_map.h"

/* What an entry says behind its number. */
typedef bool entry_fn(void *owner, unsigned shard, struct str text, struct err *e);

static bool is_without_gap(unsigned seen, size_t shard_count, struct err *e)
{
    for (unsigned shard = 1; shard < shard_count; shard++)
        if (!(seen & 1U << shard))
            return err_set(e, ERR_INVALID, "shard %u is missing: numbers go from 1 without a gap",
                           shard);
    return true;
}

/* "NUMBER:text;NUMBER:text" in any order. */
static bool read_entries(struct str text, entry_fn *fn, void *owner, size_t *ret_shard_count,
                         struct err *e)
{
    static_assert(SHARD_MAP_SHARDS_MAX <= 32, "a bit each");
    unsigned seen = 0;
    size_t shard_count = 1;
    bool is_more = text.len > 0;
    for (int nth = 1; is_more; nth++) {
        struct str entry, number, rest;
        uint64_t shard = 0;
        is_more = str_cut(text, ';', &entry, &text);
        if (!str_cut(str_trim(entry), ':', &number, &rest) || !str_to_u64(number, &shard) ||
            shard == 0 || shard >= SHARD_MAP_SHARDS_MAX)
            return err_set(e, ERR_INVALID,
                           "entry %d does not begin with a shard's number, 1 to %d, and a colon",
                           nth, SHARD_MAP_SHARDS_MAX - 1);
        if (seen & 1U << shard)
            return err_set(e, ERR_INVALID, "shard %u is given twice", (unsigned)shard);
        seen |= 1U << shard;
        shard_count = max_of(shard_count, (size_t)shard + 1);
        if (!fn(owner, (unsigned)shard, str_trim(rest), e))
            return false;
    }
    *ret_shard_count = shard_count;
    return is_without_gap(seen, shard_count, e);
}

static const struct shard_map_queue *find(const struct shard_map *map, struct str queue)
{
    for (size_t i = 0; i < map->queue_count; i++)
        if (str_eq(map->queues[i].name, queue))
            return &map->queues[i];
    return NULL;
}

static bool put_queue(struct shard_map *map, unsigned shard, struct str name, struct err *e)
{
    if (name.len == 0 || name.len > SHARD_MAP_NAME_MAX || !str_is_utf8(name))
        return err_set(e, ERR_INVALID, "shard %u: a queue's name has 1 to %d bytes of UTF-8", shard,
                       SHARD_MAP_NAME_MAX);
    if (find(map, name))
        return err_set(e, ERR_INVALID, "queue \"%.*s\" is given twice", STR_FMT(name));
    if (map->queue_count == SHARD_MAP_QUEUES_MAX)
        return err_set(e, ERR_INVALID, "more than %d queues", SHARD_MAP_QUEUES_MAX);
    map->queues[map->queue_count++] = (struct shard_map_queue){ .name = name, .shard = shard };
    return true;
}

static bool put_queues(void *owner, unsigned shard, struct str text, struct err *e)
{
    bool is_more = text.len > 0;
    while (is_more) {
        struct str name;
        is_more = str_cut(text, ',', &name, &text);
        if (!put_queue(owner, shard, str_trim(name), e))
            return false;
    }
    return true;
}

bool shard_map_read(struct str text, struct shard_map *ret_map, struct err *e)
{
    struct shard_map map = { 0 };
    if (!read_entries(text, put_queues, &map, &map.shard_count, e))
        return false;
    *ret_map = map;
    return true;
}

static bool put_text(void *owner, unsigned shard, struct str text, struct err *e)
{
    struct shard_texts *texts = owner;
    if (text.len == 0)
        return err_set(e, ERR_INVALID, "shard %u has nothing behind its number", shard);
    texts->texts[shard] = text;
    return true;
}

bool shard_texts_read(struct str text, struct shard_texts *ret_texts, struct err *e)
{
    struct shard_texts texts = { 0 };
    if (!read_entries(text, put_text, &texts, &texts.shard_count, e))
        return false;
    *ret_texts = texts;
    return true;
}

bool shard_texts_pick(const struct shard_texts *texts, const char *name, size_t shard,
                      struct str *ret_text, struct err *e)
{
    assert(shard < SHARD_MAP_SHARDS_MAX);
    if (texts->shard_count > 1 && shard >= texts->shard_count)
        return err_set(e, ERR_INVALID, "%s has no shard %zu", name, shard);
    *ret_text = texts->texts[shard];
    return true;
}

unsigned shard_map_of_queue(const struct shard_map *map, struct str queue)
{
    const struct shard_map_queue *found = find(map, queue);
    return found ? found->shard : 0;
}

bool shard_map_fits(const struct shard_map *map, size_t shard_count, struct err *e)
{
    return map->shard_count <= shard_count ||
           err_set(e, ERR_INVALID, "shard-queues speaks of shard %zu, and there are %zu shards",
                   map->shard_count - 1, shard_count);
}

bool shard_map_names(const struct shard_map *map, size_t shard, struct err *e)
{
    return shard < map->shard_count ||
           err_set(e, ERR_INVALID,
                   "shard-queues does not name shard %zu (\"%zu:\" where it is to have no queue)",
                   shard, shard);
}
