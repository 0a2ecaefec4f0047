#include "gateway/shards.h"

#include "gateway/record.h"

bool shards_read(struct gateway *gw, struct err *e)
{
    struct shard_texts urls;
    if (!shard_texts_read(conf_str(gw->conf, CONF_SHARD_URLS), &urls, e))
        return err_in(e, "shard-urls");
    if (!shard_map_read(conf_str(gw->conf, CONF_SHARD_QUEUES), &gw->shards, e))
        return err_in(e, "shard-queues");
    if (urls.shard_count > 1 && str_is_empty(conf_str(gw->conf, CONF_WORKER_URL)))
        return err_set(e, ERR_INVALID, "shard-urls: needs a worker-url, which is shard 0's");
    gw->shard_count = urls.shard_count;
    memcpy(gw->worker_urls, urls.texts, sizeof gw->worker_urls);
    gw->worker_urls[0] = conf_str(gw->conf, CONF_WORKER_URL);
    return shard_map_fits(&gw->shards, gw->shard_count, e);
}

const char *shards_url_option(size_t shard)
{
    return shard > 0 ? "shard-urls" : "worker-url";
}

size_t shards_of_queue(const struct gateway *gw, struct str queue)
{
    return shard_map_of_queue(&gw->shards, queue);
}

size_t shards_of_number(const struct gateway *gw, int64_t number)
{
    return number > 0 && (size_t)number < gw->shard_count ? (size_t)number : 0;
}

size_t shards_of_record(const struct gateway *gw, const struct record *record, int column)
{
    return gw->shard_count > 1 ? shards_of_number(gw, record_i64(record, column)) : 0;
}

struct str shards_cell(size_t shard)
{
    static const struct str cells[] = {
        { "0", 1 },  { "1", 1 },  { "2", 1 },  { "3", 1 },  { "4", 1 },  { "5", 1 },
        { "6", 1 },  { "7", 1 },  { "8", 1 },  { "9", 1 },  { "10", 2 }, { "11", 2 },
        { "12", 2 }, { "13", 2 }, { "14", 2 }, { "15", 2 },
    };
    static_assert(countof(cells) == GATEWAY_SHARDS_MAX, "one a shard");
    return cells[shard];
}

static bool parse_entry(const struct gateway *gw, struct str entry, struct shards_cursor *cursor)
{
    struct str number, seq;
    int64_t shard;
    return str_cut(entry, ':', &number, &seq) && str_to_i64(number, &shard) && shard >= 0 &&
           (size_t)shard < gw->shard_count && cursor->seqs[shard] == 0 &&
           str_to_i64(seq, &cursor->seqs[shard]) && cursor->seqs[shard] >= 0;
}

bool shards_cursor_parse(const struct gateway *gw, struct str text,
                         struct shards_cursor *ret_cursor)
{
    struct shards_cursor cursor = { 0 };
    bool is_more = true;
    while (is_more) {
        struct str entry;
        is_more = str_cut(text, ',', &entry, &text);
        if (!parse_entry(gw, entry, &cursor))
            return false;
    }
    *ret_cursor = cursor;
    return true;
}

void shards_cursor_write(const struct gateway *gw, const struct shards_cursor *cursor,
                         char ret_text[SHARDS_CURSOR_MAX])
{
    size_t len = 0;
    ret_text[0] = '\0';
    for (size_t i = 0; i < gw->shard_count; i++)
        if (cursor->seqs[i] > 0)
            len += (size_t)snprintf(ret_text + len, SHARDS_CURSOR_MAX - len, "%s%zu:%lld",
                                    len > 0 ? "," : "", i, (long long)cursor->seqs[i]);
}
