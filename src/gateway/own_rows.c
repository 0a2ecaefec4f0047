#include "gateway/own_rows.h"

#include <pthread.h>

#include "base/mem.h"

/* Four seconds of 8,000 creates. An id stands in one of the places of its set; where there is none
 * free, it takes that of another. */
enum { PLACES = 32 * 1024, WAYS = 4, SETS = PLACES / WAYS };

struct place {
    struct uuid id; /* all zeroes: none */
    bool is_stored; /* else under way */
};

struct own_rows {
    pthread_mutex_t lock;
    uint64_t epoch; /* rises with each beginning */
    bool is_following;
    struct place places[PLACES];
};

struct own_rows *own_rows_create(void)
{
    struct own_rows *rows = mem_new(struct own_rows);
    pthread_mutex_init(&rows->lock, NULL);
    return rows;
}

void own_rows_destroy(struct own_rows *rows)
{
    if (rows == NULL)
        return;
    pthread_mutex_destroy(&rows->lock);
    mem_free(rows);
}

void own_rows_begin(struct own_rows *rows)
{
    pthread_mutex_lock(&rows->lock);
    rows->epoch++;
    rows->is_following = true;
    memset(rows->places, 0, sizeof rows->places);
    pthread_mutex_unlock(&rows->lock);
}

void own_rows_end(struct own_rows *rows)
{
    pthread_mutex_lock(&rows->lock);
    rows->is_following = false;
    pthread_mutex_unlock(&rows->lock);
}

/* Ids that we make are counted up in their last bits (base/uuid.h): such come to all the sets in
 * turn, and round by round to another of their places. */
static size_t end_of(struct uuid id)
{
    return (size_t)id.bytes[13] << 16 | (size_t)id.bytes[14] << 8 | id.bytes[15];
}

static struct place *set_of(struct own_rows *rows, struct uuid id)
{
    return &rows->places[end_of(id) % SETS * WAYS];
}

static struct place *find(struct own_rows *rows, struct uuid id)
{
    struct place *set = set_of(rows, id);
    for (size_t i = 0; i < WAYS; i++)
        if (uuid_eq(set[i].id, id))
            return &set[i];
    return NULL;
}

static struct place *find_or_make(struct own_rows *rows, struct uuid id)
{
    struct place *place = find(rows, id), *set = set_of(rows, id);
    const struct uuid none = { 0 };
    for (size_t i = 0; i < WAYS && place == NULL; i++)
        if (uuid_eq(set[i].id, none))
            place = &set[i];
    return place != NULL ? place : &set[end_of(id) / SETS % WAYS];
}

uint64_t own_rows_begin_put(struct own_rows *rows, const struct uuid *ids, size_t count)
{
    pthread_mutex_lock(&rows->lock);
    uint64_t epoch = rows->is_following ? rows->epoch : 0;
    for (size_t i = 0; i < count && epoch > 0; i++)
        *find_or_make(rows, ids[i]) = (struct place){ .id = ids[i] };
    pthread_mutex_unlock(&rows->lock);
    return epoch;
}

void own_rows_end_put(struct own_rows *rows, uint64_t epoch, const struct uuid *ids, size_t count,
                      bool is_stored)
{
    pthread_mutex_lock(&rows->lock);
    for (size_t i = 0; i < count && rows->is_following && epoch == rows->epoch; i++) {
        struct place *place = is_stored ? find_or_make(rows, ids[i]) : find(rows, ids[i]);
        if (is_stored)
            *place = (struct place){ ids[i], true };
        else if (place != NULL && !place->is_stored)
            *place = (struct place){ 0 };
    }
    pthread_mutex_unlock(&rows->lock);
}

enum own_row own_rows_take(struct own_rows *rows, struct uuid id)
{
    enum own_row state = OWN_ROW_UNKNOWN;
    pthread_mutex_lock(&rows->lock);
    struct place *place = rows->is_following ? find(rows, id) : NULL;
    if (place != NULL)
        state = place->is_stored ? OWN_ROW_STORED : OWN_ROW_UNDER_WAY;
    if (state == OWN_ROW_STORED)
        *place = (struct place){ 0 };
    pthread_mutex_unlock(&rows->lock);
    return state;
}
