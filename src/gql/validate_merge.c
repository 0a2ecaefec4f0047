/*
 * Do all fields of one response key merge? Answers in about linear time: fields are merged
 * the way execution would, level by level, and each is held against one of its group, because being
 * mergeable is an equivalence. What is wrong, and where, is then told by validate_overlap.c.
 * Source: GraphQL Sep 2025, section 5.3.2; the grouping follows S. Adameit's for Sangria (2017).
 */
#include "gql/validate_priv.h"

/*
 * SHAPE: everything that may stand under one key must have one shape.
 * FIELD: what can stand there for one and the same object must be one field with one set of
 * arguments.
 */
enum mode { MODE_SHAPE, MODE_FIELD };

struct merge {
    struct validator *v;
    struct arena *arena;
    struct names done; /* merged sets by (mode, their selection sets) */
    uint64_t steps;
    bool has_conflict;
};

/* A selection set with all that it spreads: its fields, and the sets that they stand in. */
struct merged {
    const struct ast_selection **fields;
    uint32_t field_count, field_capacity;
    uint32_t *sets;
    uint32_t set_count, set_capacity;
    bool *entered; /* fragments, by number */
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
        } else if (s->fragment && !all->entered[s->fragment->number]) {
            all->entered[s->fragment->number] = true;
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

/* True when these sets were merged before, in this mode. */
static bool was_done(struct merge *m, enum mode mode, const struct merged *all)
{
    uint32_t *key = arena_new_array(m->arena, all->set_count + 1U, uint32_t);
    key[0] = mode;
    if (all->set_count) {
        qsort(all->sets, all->set_count, sizeof *all->sets, compare_numbers);
        memcpy(key + 1, all->sets, all->set_count * sizeof *key);
    }
    struct str bytes = str_of((const char *)key, (all->set_count + 1U) * sizeof *key);
    return names_add(m->arena, &m->done, bytes, m) != NULL;
}

/* ── one group: fields that must be alike ── */

static void merge_sets(struct merge *m, enum mode mode, const struct ast_selection *const *fields,
                       uint32_t count);

static void check_group(struct merge *m, enum mode mode, const struct ast_selection *const *fields,
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
        m->has_conflict = mode == MODE_SHAPE
                              ? types_conflict(first->def->type, f->def->type)
                              : !str_eq(first->name, f->name) || !same_arguments(first, f);
    }
    if (!is_over(m))
        merge_sets(m, mode, fields, count);
}

static bool is_object(const struct gql_type *t)
{
    return t && t->kind == TYPE_OBJECT;
}

/* For each object type among the parents: its fields, and those that may be on any type. */
static void check_by_parent(struct merge *m, const struct ast_selection *const *fields,
                            uint32_t count)
{
    const struct ast_selection **group =
        arena_new_array(m->arena, count, const struct ast_selection *);
    bool has_objects = false;
    for (uint32_t i = 0; i < count && !is_over(m); i++) {
        const struct gql_type *parent = fields[i]->parent;
        bool is_first = is_object(parent);
        for (uint32_t j = 0; j < i && is_first; j++, m->steps++)
            is_first = fields[j]->parent != parent;
        if (!is_first)
            continue;
        has_objects = true;
        uint32_t members = 0;
        for (uint32_t j = 0; j < count; j++, m->steps++)
            if (!is_object(fields[j]->parent) || fields[j]->parent == parent)
                group[members++] = fields[j];
        check_group(m, MODE_FIELD, group, members);
    }
    if (!has_objects)
        check_group(m, MODE_FIELD, fields, count);
}

/* ── one level ── */

struct key_group {
    struct key_group *next;
    const struct ast_selection **fields;
    uint32_t count, capacity;
};

static void check_level(struct merge *m, enum mode mode, const struct merged *all)
{
    struct names by_key = { 0 };
    struct key_group *first = NULL, **tail = &first;
    for (uint32_t i = 0; i < all->field_count; i++) {
        struct str key = ast_response_key(all->fields[i]);
        struct key_group *g = names_get(&by_key, key);
        if (!g) {
            g = arena_new(m->arena, struct key_group);
            names_add(m->arena, &by_key, key, g);
            *tail = g;
            tail = &g->next;
        }
        if (g->count == g->capacity)
            g->fields = grown(m->arena, g->fields, g->count, &g->capacity, sizeof *g->fields);
        g->fields[g->count++] = all->fields[i];
    }
    for (const struct key_group *g = first; g && !is_over(m); g = g->next) {
        if (mode == MODE_FIELD)
            check_by_parent(m, g->fields, g->count);
        else
            check_group(m, mode, g->fields, g->count);
    }
}

static void merge_sets(struct merge *m, enum mode mode, const struct ast_selection *const *fields,
                       uint32_t count)
{
    struct merged all = { 0 };
    bool has_sets = false;
    for (uint32_t i = 0; i < count; i++)
        has_sets |= fields[i]->set != NULL;
    if (!has_sets || is_over(m))
        return;
    all.entered = arena_new_array(m->arena, m->v->doc->fragment_count, bool);
    m->steps += m->v->doc->fragment_count / 64;
    for (uint32_t i = 0; i < count; i++)
        if (fields[i]->set)
            open_set(m, &all, fields[i]->set);
    if (!is_over(m) && !was_done(m, mode, &all))
        check_level(m, mode, &all);
}

bool validate_merge(struct validator *v)
{
    scoped(arena_destroyp) struct arena *arena = arena_create(SIZE_MAX);
    struct merge m = { .v = v, .arena = arena };
    for (uint32_t i = 0; i < v->info_count; i++) {
        const struct ast_definition *d = v->infos[i].def;
        struct ast_selection root = { .kind = AST_FIELD, .set = d->set };
        const struct ast_selection *roots[] = { &root };
        if (d->kind != AST_OPERATION)
            continue;
        merge_sets(&m, MODE_SHAPE, roots, 1);
        merge_sets(&m, MODE_FIELD, roots, 1);
    }
    return !is_over(&m);
}
