#include "worker/checkpoint.h"

#include "store/queue/batch_sql.h"
#include "worker/notes.h"

struct put {
    struct put *next; /* the one before */
    struct uuid task;
    int64_t seq;
    struct str json; /* ptr NULL: the row goes */
};

struct puts {
    struct put *newest;
    size_t count;
};

/* The newest of each task: a statement must not touch a row twice. */
static void checkpoint_steps(struct batch *b, void *data)
{
    const struct puts *puts = data;
    struct arena *a = b->a;
    struct uuid *ids = arena_new_array(a, puts->count, struct uuid);
    struct uuid *gone = arena_new_array(a, puts->count, struct uuid);
    int64_t *seqs = arena_new_array(a, puts->count, int64_t);
    struct str *values = arena_new_array(a, puts->count, struct str);
    size_t n = 0, gone_count = 0;
    scoped(map_destroyp) struct map *seen = map_create();
    for (struct put *put = puts->newest; put; put = put->next) {
        if (map_put(seen, uuid_bytes(&put->task), put))
            continue;
        if (!put->json.ptr) {
            gone[gone_count++] = put->task;
            continue;
        }
        ids[n] = put->task;
        seqs[n] = put->seq;
        values[n++] = put->json;
    }
    if (n > 0)
        batch_step(b, &batch_checkpoints, batch_checkpoints_args(a, ids, n, seqs, n, values, n));
    if (gone_count > 0)
        batch_step(b, &batch_checkpoints_gone, batch_checkpoints_gone_args(a, gone, gone_count));
}

static const struct batch_section_kind checkpoint_section = { "checkpoints", sizeof(struct puts),
                                                              checkpoint_steps };

static void add(struct batch *b, struct uuid task, struct str json)
{
    struct puts *puts = batch_section(b, &checkpoint_section);
    struct put *put = arena_new(b->a, struct put);
    *put = (struct put){ puts->newest, task, batch_next(b), json };
    puts->newest = put;
    puts->count++;
}

void checkpoint_put(struct batch *b, struct uuid task, struct str json)
{
    notes_of(b->s->notes, task)->has_checkpoint = true; /* after an undo there may be none */
    add(b, task, json);
}

void checkpoint_end(struct batch *b, struct uuid task)
{
    const struct note *note = notes_find(b->s->notes, task);
    if (note && note->has_checkpoint)
        add(b, task, (struct str){ 0 });
}
