#include "worker/notes.h"

#include "base/map.h"
#include "base/mem.h"

struct notes {
    struct map *by_id;
};

struct notes *notes_create(void)
{
    struct notes *notes = mem_new(struct notes);
    notes->by_id = map_create();
    return notes;
}

void notes_clear(struct notes *notes)
{
    size_t at = 0;
    struct str key;
    void *note;
    while (map_next(notes->by_id, &at, &key, &note))
        mem_free(note);
    map_destroy(notes->by_id);
    notes->by_id = map_create();
}

void notes_destroy(struct notes *notes)
{
    if (!notes)
        return;
    notes_clear(notes);
    map_destroy(notes->by_id);
    mem_free(notes);
}

struct note *notes_find(const struct notes *notes, struct uuid id)
{
    return map_count(notes->by_id) > 0 ? map_get(notes->by_id, uuid_bytes(&id)) : NULL;
}

struct note *notes_of(struct notes *notes, struct uuid id)
{
    struct note *note = map_get(notes->by_id, uuid_bytes(&id));
    if (note)
        return note;
    note = mem_new(struct note);
    note->progress = note->told = -1;
    (void)map_put(notes->by_id, uuid_bytes(&id), note);
    return note;
}

struct note *notes_of_attempt(struct notes *notes, struct uuid id, int64_t fence)
{
    struct note *note = notes_of(notes, id);
    if (note->fence != fence) {
        note->progress = note->told = -1;
        note->told_us = 0;
    }
    note->fence = fence;
    return note;
}

void notes_told(struct notes *notes, struct uuid id, int64_t fence, double progress)
{
    struct note *note = notes_of_attempt(notes, id, fence);
    note->progress = note->told = progress;
}

void notes_forget(struct notes *notes, struct uuid id)
{
    if (map_count(notes->by_id) > 0)
        mem_free(map_remove(notes->by_id, uuid_bytes(&id)));
}
