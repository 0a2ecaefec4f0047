/*
 * conf_shard_map: any bytes as shard-queues and as the shards' texts: refused with a word why, or
 * read as what holds together: each queue is found at its shard.
 */
#include "conf/shard_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct shard_map map;
    struct shard_texts texts;
    struct str text = str_of((const char *)data, size);
    struct err e;
    if (shard_map_read(text, &map, &e)) {
        assert(map.shard_count <= SHARD_MAP_SHARDS_MAX);
        for (size_t i = 0; i < map.queue_count; i++) {
            unsigned shard = shard_map_of_queue(&map, map.queues[i].name);
            assert(shard == map.queues[i].shard && shard > 0 && shard < map.shard_count);
        }
    } else {
        assert(e.code == ERR_INVALID && e.message[0] != '\0');
    }
    if (shard_texts_read(text, &texts, &e)) {
        for (size_t shard = 1; shard < texts.shard_count; shard++)
            assert(texts.texts[shard].len > 0);
    } else {
        assert(e.code == ERR_INVALID && e.message[0] != '\0');
    }
    return 0;
}
