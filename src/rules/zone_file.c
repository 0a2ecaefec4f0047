/* Reads the bytes of a TZif file. Source: RFC 9636 section 3. */
#include "base/mem.h"
#include "rules/zone_priv.h"

enum { HEADER_BYTES = 44, TYPE_BYTES = 6, TYPES_MAX = 256, TIMES_MAX = 1 << 13 };

struct counts {
    size_t ut, standard, leap, time, type, character;
};

/* One data block, and where it lies. */
struct block {
    struct counts counts;
    size_t time_bytes; /* 4 in the first block, 8 in the second */
    const uint8_t *data;
};

static uint32_t read_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t read_time(const uint8_t *p, size_t bytes)
{
    if (bytes == 4)
        return (int32_t)read_u32(p);
    return (int64_t)((uint64_t)read_u32(p) << 32 | read_u32(p + 4));
}

static size_t block_bytes(const struct block *b)
{
    const struct counts *c = &b->counts;
    return c->time * b->time_bytes + c->time + c->type * TYPE_BYTES + c->character +
           c->leap * (b->time_bytes + 4) + c->standard + c->ut;
}

/* Takes a header and its block off the front of `rest`. */
static bool read_block(struct str *rest, size_t time_bytes, struct block *ret, struct err *e)
{
    const uint8_t *p = (const uint8_t *)rest->ptr;
    if (rest->len < HEADER_BYTES || memcmp(p, "TZif", 4) != 0)
        return err_set(e, ERR_INVALID, "it is no TZif file");
    struct block b = { .time_bytes = time_bytes, .data = p + HEADER_BYTES };
    size_t *const counts[] = { &b.counts.ut,   &b.counts.standard, &b.counts.leap,
                               &b.counts.time, &b.counts.type,     &b.counts.character };
    for (size_t i = 0; i < countof(counts); i++) {
        *counts[i] = read_u32(p + 20 + 4 * i);
        if (*counts[i] > ZONE_FILE_BYTES_MAX)
            return err_set(e, ERR_LIMIT, "it counts more entries than a file may hold");
    }
    if (block_bytes(&b) > rest->len - HEADER_BYTES)
        return err_set(e, ERR_INVALID, "it is cut off");
    *rest = str_from(*rest, HEADER_BYTES + block_bytes(&b));
    *ret = b;
    return true;
}

static bool read_offset(const struct block *b, size_t type, int32_t *ret_offset_s, struct err *e)
{
    const uint8_t *types = b->data + b->counts.time * (b->time_bytes + 1);
    if (type >= b->counts.type)
        return err_set(e, ERR_INVALID, "it refers to a type of local time that it does not have");
    int32_t offset_s = (int32_t)read_u32(types + type * TYPE_BYTES);
    if (offset_s < ZONE_OFFSET_S_MIN || offset_s > ZONE_OFFSET_S_MAX)
        return err_set(e, ERR_INVALID, "its offset of %d s is out of range", offset_s);
    *ret_offset_s = offset_s;
    return true;
}

static bool read_transitions(const struct block *b, struct zone *z, struct err *e)
{
    const uint8_t *types = b->data + b->counts.time * b->time_bytes;
    if (!read_offset(b, 0, &z->first_offset_s, e))
        return false;
    z->transitions = mem_zalloc(b->counts.time, sizeof z->transitions[0]);
    for (size_t i = 0; i < b->counts.time; i++) {
        struct zone_transition *t = &z->transitions[i];
        t->at_s = read_time(b->data + i * b->time_bytes, b->time_bytes);
        if (i > 0 && t->at_s <= t[-1].at_s)
            return err_set(e, ERR_INVALID, "its transition %zu is not after the one before", i);
        if (!read_offset(b, types[i], &t->offset_s, e))
            return false;
    }
    z->transition_count = b->counts.time;
    return true;
}

/* The TZ string between two line ends; it may be empty. */
static bool read_footer(struct str rest, struct zone *z, struct err *e)
{
    struct str footer;
    if (rest.len < 2 || rest.ptr[0] != '\n' || !str_cut(str_from(rest, 1), '\n', &footer, &rest))
        return err_set(e, ERR_INVALID, "its footer is cut off");
    z->has_rule = footer.len > 0;
    return !z->has_rule || zone_rule_parse(footer, &z->rule, e);
}

static bool read_file(struct str bytes, struct zone *z, struct err *e)
{
    struct block b;
    struct str rest = bytes;
    if (!read_block(&rest, 4, &b, e))
        return false;
    bool has_second = bytes.ptr[4] >= '2';
    if (has_second && !read_block(&rest, 8, &b, e))
        return false;
    if (b.counts.type == 0 || b.counts.type > TYPES_MAX || b.counts.time > TIMES_MAX)
        return err_set(e, ERR_INVALID, "it has %zu types of local time and %zu transitions",
                       b.counts.type, b.counts.time);
    if (b.counts.leap > 0)
        return err_set(e, ERR_INVALID, "it counts leap seconds, which Unix time does not");
    return read_transitions(&b, z, e) && (!has_second || read_footer(rest, z, e));
}

bool zone_parse(struct str name, struct str bytes, struct zone **ret_zone, struct err *e)
{
    scoped(zone_destroyp) struct zone *z = mem_new(struct zone);
    assert(name.len <= ZONE_NAME_MAX);
    memcpy(z->name, name.len > 0 ? name.ptr : "", name.len);
    if (!read_file(bytes, z, e))
        return err_in(e, "read the zone's file");
    *ret_zone = take(z);
    return true;
}
