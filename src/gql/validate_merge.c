/*
 * Do all fields of one response key merge? Answers in about linear time: fields are merged
 * the way execution would, level by level, and each is held against one of its group, because being
 * mergeable is an equivalence. A level has no more fields than the document, so the steps are at
 * most levels times fields, and the limit on the depth bounds the levels. What is wrong, and where,
 * is then told by validate_overlap.c.
 * Source: GraphQL Sep 2025, section 5.3.2; the grouping follows S. Adameit's for Sangria (2017).
 */
#include "gql/validate_priv.h"

/*
 * SHAPE: everything that may stand under one key must have one shape.
 * FIELD: what can stand there for one and the same object must be one field with one set of
 * arguments.
 * Both are asked together as long as every key has one field, which is nearly always.
 */
enum { MODE_SHAPE = 1, MODE_FIELD = 2, MODE_BOTH = MODE_SHAPE | MODE_FIELD };

/* Selection sets that were merged, and in which modes. */
struct done {
    uint8_t modes;
};

/* A place of the table that finds the group of a key in the level at hand. */
struct key_slot {
    uint32_t level; /* the level that filled it: of another one it is free */
    uint32_t group;
};

struct merge {
    struct validator *v;
    struct arena *arena;
    uint8_t *done_alone; /* modes, by the number of a set that was all there was to merge */
    struct names done;   /* of several sets: their sorted numbers → struct done */
    uint32_t *entered;   /* by fragment: the last opening that entered it */
    uint32_t *own_count; /* by object type: fields of the group at hand */
    struct key_slot *slots;
    uint32_t slot_count; /* a power of two */
    uint32_t levels, openings;
    uint32_t depth; /* of the level at hand, from 1 */
    uint64_t steps;
    bool has_conflict;
    bool is_cut; /* at the limit on the depth */
};

/* A selection set with all that it spreads: its fields, and the sets that they stand in. */
struct merged {
    const struct ast_selection **fields;
    uint32_t field_count, field_capacity;
    uint32_t *sets;
    uint32_t set_count, set_capacity;
};

enum { STEPS_MAX = 500 * 1000 };

static bool is_over(const struct merge *m)
{
    return m->steps > STEPS_MAX || m->has_conflict;
}

/* ── opening a selection set ── */

static void *grown(struct arena *arena, const void *items, uint32_t count, uint32_t *capacity,
                   size_t size)
{
    *capacity = max_of(*capacity * 2, 8U);
    void *wider = arena_array(arena, *capacity, size);
    if (count)
        memcpy(wider, items, count * size);
    return wider;
}

static void open_set(struct merge *m, struct merged *all, const struct ast_selection_set *set)
{
    bool has_fields = false;
    for (const struct ast_selection *s = set->first; s && !is_over(m); s = s->next) {
        m->steps++;
        if (s->kind == AST_FIELD) {
            if (all->field_count == all->field_capacity)
                all->fields = grown(m->arena, all->fields, all->field_count, &all->field_capacity,
                                    sizeof *all->fields);
            all->fields[all->field_count++] = s;
            has_fields = true;
        } else if (s->kind == AST_INLINE) {
            open_set(m, all, s->set);
        } else if (s->fragment && m->entered[s->fragment->number] != m->openings) {
            m->entered[s->fragment->number] = m->openings;
            open_set(m, all, s->fragment->set);
        }
    }
    if (!has_fields)
        return;
    if (all->set_count == all->set_capacity)
        all->sets =
            grown(m->arena, all->sets, all->set_count, &all->set_capacity, sizeof *all->sets);
    all->sets[all->set_count++] = set->number;
}

static int compare_numbers(const void *a, const void *b)
{
    const uint32_t *x = a;
    const uint32_t *y = b;
    return (*x > *y) - (*x < *y);
}

/* In which of the modes these sets were not merged before; they are taken to be from now on. */
static unsigned modes_left(struct merge *m, unsigned modes, const struct merged *all)
{
    uint8_t *before = NULL;
    if (all->set_count == 1) {
        before = &m->done_alone[all->sets[0]];
    } else {
        qsort(all->sets, all->set_count, sizeof *all->sets, compare_numbers);
        struct str bytes = str_of((const char *)all->sets, all->set_count * sizeof *all->sets);
        struct done *fresh = arena_new(m->arena, struct done);
        struct done *known = names_add(m->arena, &m->done, bytes, fresh);
        before = known ? &known->modes : &fresh->modes;
    }
    modes &= ~(unsigned)*before;
    *before |= (uint8_t)modes;
    return modes;
}

/* ── one group: fields that must be alike ── */

static void merge_sets(struct merge *m, unsigned modes, const struct ast_selection *const *fields,
                       uint32_t count);

static void check_group(struct merge *m, unsigned mode, const struct ast_selection *const *fields,
                        uint32_t count)
{
    const struct ast_selection *first = NULL;
    for (uint32_t i = 0; i < count && !is_over(m); i++) {
        const struct ast_selection *f = fields[i];
        m->steps++;
        /* The reference does not look at the types of these; and a root that the schema does not
         * have leaves fields without any. */
        if (mode == MODE_SHAPE && (!f->def || str_starts_with(f->name, STR("__"))))
            continue;
        first = first ? first : f;
        if (f == first)
            continue;
        m->has_conflict = mode == MODE_SHAPE ? types_conflict(first->def->type, f->def->type) ||
                                                   stream_of(m->v, first) || stream_of(m->v, f)
                                             : !str_eq(first->name, f->name) ||
                                                   !same_arguments(first->args, f->args);
    }
    if (!is_over(m))
        merge_sets(m, mode, fields, count);
}

static bool is_object(const struct gql_type *t)
{
    return t && t->kind == TYPE_OBJECT;
}

/* The fields of one object type after those that may be on any type. */
static void check_object(struct merge *m, const struct gql_type *object,
                         const struct ast_selection *const *fields, uint32_t count,
                         const struct ast_selection **group, uint32_t shared)
{
    uint32_t members = shared, left = m->own_count[object->object_number];
    m->own_count[object->object_number] = 0;
    for (uint32_t j = 0; j < count && left; j++, m->steps++)
        if (fields[j]->parent == object) {
            group[members++] = fields[j];
            left--;
        }
    check_group(m, MODE_FIELD, group, members);
}

/*
 * For each object type among the parents: its fields, and those that may be on any type. There are
 * no more of them than the schema has, so for a schema the steps grow with the fields.
 */
static void check_by_parent(struct merge *m, const struct ast_selection *const *fields,
                            uint32_t count)
{
    const struct ast_selection **group =
        arena_new_array(m->arena, count, const struct ast_selection *);
    uint32_t shared = 0;
    for (uint32_t i = 0; i < count; i++, m->steps++)
        if (is_object(fields[i]->parent))
            m->own_count[fields[i]->parent->object_number]++;
        else
            group[shared++] = fields[i];
    if (shared == count)
        check_group(m, MODE_FIELD, fields, count);
    for (uint32_t i = 0; i < count && shared < count; i++) {
        const struct gql_type *parent = fields[i]->parent;
        if (!is_object(parent) || !m->own_count[parent->object_number])
            continue;
        if (is_over(m))
            m->own_count[parent->object_number] = 0;
        else
            check_object(m, parent, fields + i, count - i, group, shared);
    }
}

/* ── one level ── */

/* The fields of one response key, in the order of the level's. */
struct key_group {
    const struct ast_selection *first;
    uint32_t count, start;
};

static void widen_slots(struct merge *m, uint32_t fields)
{
    if (m->slot_count / 2 >= fields)
        return;
    m->slot_count = max_of(m->slot_count, 64U);
    while (m->slot_count / 2 < fields)
        m->slot_count *= 2;
    m->slots = arena_new_array(m->arena, m->slot_count, struct key_slot);
}

/* The number of the field's group; a new one is appended. */
static uint32_t group_of(struct merge *m, const struct ast_selection *f, struct key_group *groups,
                         uint32_t *count)
{
    struct str key = ast_response_key(f);
    uint32_t i = (uint32_t)f->key_hash & (m->slot_count - 1);
    for (; m->slots[i].level == m->levels; i = (i + 1) & (m->slot_count - 1)) {
        const struct ast_selection *first = groups[m->slots[i].group].first;
        if (first->key_hash == f->key_hash && str_eq(ast_response_key(first), key))
            return m->slots[i].group;
    }
    m->slots[i] = (struct key_slot){ m->levels, *count };
    groups[*count] = (struct key_group){ .first = f };
    return (*count)++;
}

static void check_fields(struct merge *m, unsigned modes, const struct ast_selection *const *fields,
                         uint32_t count)
{
    if (count == 1) {
        merge_sets(m, modes, fields, 1);
        return;
    }
    if (modes & MODE_SHAPE)
        check_group(m, MODE_SHAPE, fields, count);
    if (modes & MODE_FIELD)
        check_by_parent(m, fields, count);
}

static void check_level(struct merge *m, unsigned modes, const struct merged *all)
{
    uint32_t count = 0;
    struct key_group *groups = arena_new_array(m->arena, all->field_count, struct key_group);
    uint32_t *numbers = arena_new_array(m->arena, all->field_count, uint32_t);
    widen_slots(m, all->field_count);
    m->levels++;
    for (uint32_t i = 0; i < all->field_count; i++) {
        numbers[i] = group_of(m, all->fields[i], groups, &count);
        groups[numbers[i]].count++;
    }
    const struct ast_selection **sorted = all->fields;
    if (count < all->field_count) {
        uint32_t start = 0;
        for (uint32_t g = 0; g < count; g++) {
            groups[g].start = start;
            start += groups[g].count;
            groups[g].count = 0;
        }
        sorted = arena_new_array(m->arena, all->field_count, const struct ast_selection *);
        for (uint32_t i = 0; i < all->field_count; i++) {
            struct key_group *g = &groups[numbers[i]];
            sorted[g->start + g->count++] = all->fields[i];
        }
    } else {
        for (uint32_t g = 0; g < count; g++)
            groups[g].start = g;
    }
    for (uint32_t g = 0; g < count && !is_over(m); g++)
        check_fields(m, modes, sorted + groups[g].start, groups[g].count);
}

static void merge_sets(struct merge *m, unsigned modes, const struct ast_selection *const *fields,
                       uint32_t count)
{
    struct merged all = { 0 };
    uint32_t limit = m->v->options->depth_max;
    if (limit && m->depth == limit) {
        m->is_cut = true;
        return;
    }
    m->openings++;
    for (uint32_t i = 0; i < count; i++)
        if (fields[i]->set)
            open_set(m, &all, fields[i]->set);
    if (!all.field_count || is_over(m))
        return;
    modes = modes_left(m, modes, &all);
    m->depth++;
    if (modes)
        check_level(m, modes, &all);
    m->depth--;
}

/* What was done in an operation that is too deep says nothing about the others. */
static void forget_done(struct merge *m)
{
    memset(m->done_alone, 0, m->v->doc->set_count * sizeof *m->done_alone);
    m->done = (struct names){ 0 };
    m->is_cut = false;
}

bool validate_merge(struct validator *v)
{
    scoped(arena_destroyp) struct arena *arena = arena_create(SIZE_MAX);
    struct merge m = { .v = v, .arena = arena };
    m.done_alone = arena_new_array(arena, v->doc->set_count, uint8_t);
    m.entered = arena_new_array(arena, v->doc->fragment_count, uint32_t);
    m.own_count = arena_new_array(arena, v->schema->object_count, uint32_t);
    for (uint32_t i = 0; i < v->info_count; i++) {
        const struct ast_definition *d = v->infos[i].def;
        struct ast_selection root = { .kind = AST_FIELD, .set = d->set };
        const struct ast_selection *roots[] = { &root };
        if (d->kind == AST_OPERATION)
            merge_sets(&m, MODE_BOTH, roots, 1);
        if (m.is_cut)
            forget_done(&m);
    }
    if (v->options->steps)
        v->options->steps->merge = m.steps;
    return !is_over(&m);
}
