/* shard_own: what is this shard's own: its numbers, and its queues. */
#include "worker/shard_priv.h"

void shard_number_format(const struct shard *s, int64_t number, char ret_text[SHARD_NUMBER_MAX])
{
    snprintf(ret_text, SHARD_NUMBER_MAX, "%d:%lld", s->id, (long long)number);
}

bool shard_number_parse(const struct shard *s, struct str text, int64_t *ret_number)
{
    struct str shard, number;
    int64_t id;
    return str_cut(text, ':', &shard, &number) && str_to_i64(shard, &id) && id == s->id &&
           str_to_i64(number, ret_number) && *ret_number >= 0;
}

bool shard_owns(const struct shard *s, const char *at, struct str queue, struct err *e)
{
    enum { SHOWN_MAX = 64 };
    unsigned owner = s->map ? shard_map_of_queue(s->map, queue) : 0;
    return owner == (unsigned)s->id ||
           err_set(e, ERR_MISDIRECTED, "%squeue: \"%.*s\" is of shard %u, this is shard %d", at,
                   STR_FMT(str_first_whole(queue, SHOWN_MAX)), owner, s->id);
}
