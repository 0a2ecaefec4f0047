#include "gateway/own_rows.h"

#include <pthread.h>

#include "base/mem.h"

/* Each id has one place, and takes it from whoever was there: four seconds of 8,000 creates. */
enum { PLACES = 32 * 1024 };

struct own_rows {
    pthread_mutex_t lock;
    uint64_t epoch; /* rises with each beginning */
    bool is_following;
    struct uuid ids[PLACES]; /* all zeroes: none */
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
    memset(rows->ids, 0, sizeof rows->ids);
    pthread_mutex_unlock(&rows->lock);
}

void own_rows_end(struct own_rows *rows)
{
    pthread_mutex_lock(&rows->lock);
    rows->is_following = false;
    pthread_mutex_unlock(&rows->lock);
}

uint64_t own_rows_epoch(struct own_rows *rows)
{
    pthread_mutex_lock(&rows->lock);
    uint64_t epoch = rows->is_following ? rows->epoch : 0;
    pthread_mutex_unlock(&rows->lock);
    return epoch;
}

/* A UUIDv7 ends in random bits. */
static struct uuid *place_of(struct own_rows *rows, struct uuid id)
{
    return &rows->ids[(size_t)(id.bytes[14] << 8 | id.bytes[15]) % PLACES];
}

void own_rows_add(struct own_rows *rows, uint64_t epoch, const struct uuid *ids, size_t count)
{
    pthread_mutex_lock(&rows->lock);
    for (size_t i = 0; i < count && rows->is_following && epoch == rows->epoch; i++)
        *place_of(rows, ids[i]) = ids[i];
    pthread_mutex_unlock(&rows->lock);
}

bool own_rows_take(struct own_rows *rows, struct uuid id)
{
    pthread_mutex_lock(&rows->lock);
    struct uuid *place = place_of(rows, id);
    bool is_there = rows->is_following && uuid_eq(*place, id);
    if (is_there)
        *place = (struct uuid){ 0 };
    pthread_mutex_unlock(&rows->lock);
    return is_there;
}
