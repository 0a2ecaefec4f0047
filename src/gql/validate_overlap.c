/*
 * Fields of one response key must be one field: section 5.3.2, FieldsInSetCanMerge. Pairs are
 * compared the way graphql-js does, so that messages agree; each pair of selection sets and
 * fragments is compared once, and the comparisons of a document are bounded.
 */
#include "gql/validate_priv.h"

/* A field with what it is on. */
struct spot {
    struct spot *next;
    const struct gql_type *parent;
    const struct ast_selection *node;
    const struct field_def *def;
};

/* All fields of one response key in a selection set. */
struct key_spots {
    struct key_spots *next;
    struct str key;
    struct spot *first, **tail;
};

/* A selection set with its inline fragments opened. */
struct field_map {
    uint32_t number;
    struct names by_key; /* → key_spots */
    struct key_spots *first, **tail;
    struct definition_info **fragments; /* spread in it, each once */
    uint32_t fragment_count;
};

/* Why two fields conflict: a reason, or the conflicts of what is selected below them. */
struct conflict {
    struct conflict *next;
    struct str key, reason;
    struct conflict *below;
    const struct ast_selection *a, *b;
};

struct conflict_list {
    struct conflict *first, **tail;
};

/* Two numbers that were compared: of selection sets and fragments. */
struct pair {
    uint64_t key; /* 0: free */
    bool is_exclusive;
};

struct overlap {
    struct validator *v;
    struct field_map **maps; /* by selection set number */
    struct pair *pairs;      /* compared already: open addressing */
    uint32_t pair_count, pair_capacity;
    uint32_t conflict_count;
    uint64_t steps;
};

enum { STEPS_MAX = 250 * 1000, CONFLICTS_MAX = 1000 };

/* Counts one comparison; false beyond the bounds. */
static bool step(struct overlap *o)
{
    return ++o->steps <= STEPS_MAX && o->conflict_count < CONFLICTS_MAX;
}

static bool is_over(const struct overlap *o)
{
    return o->steps > STEPS_MAX || o->conflict_count >= CONFLICTS_MAX;
}

/* ── field maps ── */

static void collect(struct overlap *o, struct field_map *map, struct names *seen,
                    const struct gql_type *parent, const struct ast_selection_set *set)
{
    struct arena *arena = o->v->arena;
    for (const struct ast_selection *s = set->first; s; s = s->next) {
        if (s->kind == AST_SPREAD) {
            struct definition_info *info = names_get(&o->v->fragments, s->name);
            if (info && !names_add(arena, seen, s->name, info)) {
                struct definition_info **grown =
                    arena_new_array(arena, map->fragment_count + 1, struct definition_info *);
                if (map->fragment_count)
                    memcpy(grown, map->fragments, map->fragment_count * sizeof *grown);
                grown[map->fragment_count++] = info;
                map->fragments = grown;
            }
            continue;
        }
        if (s->kind == AST_INLINE) {
            collect(o, map, seen, s->name.ptr ? schema_find(o->v->schema, s->name) : parent,
                    s->set);
            continue;
        }
        struct str key = ast_response_key(s);
        struct key_spots *spots = names_get(&map->by_key, key);
        if (!spots) {
            spots = arena_new(arena, struct key_spots);
            spots->key = key;
            spots->tail = &spots->first;
            names_add(arena, &map->by_key, key, spots);
            *map->tail = spots;
            map->tail = &spots->next;
        }
        struct spot *spot = arena_new(arena, struct spot);
        bool has_fields = parent && (parent->kind == TYPE_OBJECT || parent->kind == TYPE_INTERFACE);
        *spot =
            (struct spot){ .parent = parent,
                           .node = s,
                           .def = has_fields ? names_get(&parent->field_names, s->name) : NULL };
        *spots->tail = spot;
        spots->tail = &spot->next;
    }
}

static struct field_map *map_of(struct overlap *o, const struct gql_type *parent,
                                const struct ast_selection_set *set)
{
    struct field_map *map = o->maps[set->number];
    struct names seen = { 0 };
    if (map)
        return map;
    map = arena_new(o->v->arena, struct field_map);
    map->number = set->number;
    map->tail = &map->first;
    o->maps[set->number] = map;
    collect(o, map, &seen, parent, set);
    return map;
}

static struct field_map *map_of_fragment(struct overlap *o, const struct definition_info *info)
{
    return map_of(o, schema_find(o->v->schema, info->def->condition), info->def->set);
}

static struct pair *find_pair(const struct overlap *o, uint64_t key)
{
    uint64_t mixed = key * 0x9E3779B97F4A7C15U;
    uint32_t i = (uint32_t)(mixed >> 32) & (o->pair_capacity - 1);
    while (o->pairs[i].key && o->pairs[i].key != key)
        i = (i + 1) & (o->pair_capacity - 1);
    return &o->pairs[i];
}

static void grow_pairs(struct overlap *o)
{
    struct overlap wider = *o;
    wider.pair_capacity = max_of(o->pair_capacity * 2, 64U);
    wider.pairs = arena_new_array(o->v->arena, wider.pair_capacity, struct pair);
    for (uint32_t i = 0; i < o->pair_capacity; i++)
        if (o->pairs[i].key)
            *find_pair(&wider, o->pairs[i].key) = o->pairs[i];
    *o = wider;
}

/* True when this pair was compared before, at least as strictly. */
static bool was_compared(struct overlap *o, bool of_fragments, uint32_t a, uint32_t b,
                         bool is_exclusive)
{
    if ((o->pair_count + 1) * 2 > o->pair_capacity)
        grow_pairs(o);
    uint64_t key = (uint64_t)(a * 2 + of_fragments + 1) << 32 | b;
    struct pair *p = find_pair(o, key);
    if (p->key && (is_exclusive || !p->is_exclusive))
        return true;
    o->pair_count += !p->key;
    *p = (struct pair){ key, is_exclusive };
    return false;
}

/* ── two fields ── */

/* What the reference tells of one conflict: so many characters of why, so many places a side. */
enum { DETAIL_MAX = 1000, PLACES_MAX = 20 };

static struct str abbreviated(struct arena *arena, struct str text)
{
    if (text.len <= DETAIL_MAX)
        return text;
    return arena_printf(arena, "%.*s...", DETAIL_MAX, text.ptr);
}

static bool same_value(const struct ast_value *a, const struct ast_value *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == AST_LIST) {
        const struct ast_value *x = a->items, *y = b->items;
        while (x && y && same_value(x, y))
            x = x->next, y = y->next;
        return !x && !y;
    }
    if (a->kind == AST_OBJECT) {
        if (a->count != b->count)
            return false;
        for (const struct ast_entry *x = a->entries; x; x = x->next) {
            const struct ast_entry *y = b->entries;
            while (y && !str_eq(x->name, y->name))
                y = y->next;
            if (!y || !same_value(x->value, y->value))
                return false;
        }
        return true;
    }
    return str_eq(a->text, b->text) && a->is_block == b->is_block;
}

bool same_arguments(const struct ast_entry *a, const struct ast_entry *b)
{
    size_t balance = 0;
    for (const struct ast_entry *x = a; x; x = x->next)
        balance++;
    for (const struct ast_entry *y = b; y; y = y->next)
        balance--;
    if (balance)
        return false;
    for (const struct ast_entry *x = a; x; x = x->next) {
        const struct ast_entry *y = b;
        while (y && !str_eq(x->name, y->name))
            y = y->next;
        if (!y || !same_value(x->value, y->value))
            return false;
    }
    return true;
}

const struct ast_directive *stream_of(const struct validator *v, const struct ast_selection *field)
{
    return v->schema->has_incremental ? find_directive(field->directives, "stream") : NULL;
}

/* A list that is streamed may be asked for once only; NULL: neither is. */
static const char *stream_conflict(const struct validator *v, const struct ast_selection *a,
                                   const struct ast_selection *b)
{
    const struct ast_directive *x = stream_of(v, a);
    const struct ast_directive *y = stream_of(v, b);
    if (!x && !y)
        return NULL;
    return x && y && same_arguments(x->args, y->args)
               ? "they have overlapping stream directives. See "
                 "https://github.com/graphql/defer-stream-wg/discussions/100"
               : "they have overlapping stream directives";
}

bool types_conflict(const struct type_ref *a, const struct type_ref *b)
{
    for (; a->wrap != WRAP_NAMED || b->wrap != WRAP_NAMED; a = a->of, b = b->of)
        if (a->wrap != b->wrap)
            return true;
    bool has_leaf = type_is_leaf(a->named) || type_is_leaf(b->named);
    return has_leaf && a->named != b->named;
}

static void between_maps(struct overlap *o, struct conflict_list *list, bool is_exclusive,
                         const struct field_map *a, const struct field_map *b);
static void between_fields_and_fragment(struct overlap *o, struct conflict_list *list,
                                        bool is_exclusive, const struct field_map *map,
                                        struct definition_info *fragment);
static void between_fragments(struct overlap *o, struct conflict_list *list, bool is_exclusive,
                              struct definition_info *a, struct definition_info *b);

static void between_sets(struct overlap *o, struct conflict_list *list, bool is_exclusive,
                         const struct field_map *a, const struct field_map *b)
{
    between_maps(o, list, is_exclusive, a, b);
    for (uint32_t i = 0; i < b->fragment_count && !is_over(o); i++)
        between_fields_and_fragment(o, list, is_exclusive, a, b->fragments[i]);
    for (uint32_t i = 0; i < a->fragment_count && !is_over(o); i++)
        between_fields_and_fragment(o, list, is_exclusive, b, a->fragments[i]);
    for (uint32_t i = 0; i < a->fragment_count; i++)
        for (uint32_t j = 0; j < b->fragment_count && !is_over(o); j++)
            between_fragments(o, list, is_exclusive, a->fragments[i], b->fragments[j]);
}

static void add_conflict(struct overlap *o, struct conflict_list *list, struct conflict found)
{
    struct conflict *c = arena_new(o->v->arena, struct conflict);
    *c = found;
    *list->tail = c;
    list->tail = &c->next;
    o->conflict_count++;
}

static void compare(struct overlap *o, struct conflict_list *list, bool is_exclusive,
                    struct str key, const struct spot *a, const struct spot *b)
{
    struct arena *arena = o->v->arena;
    struct conflict found = { .key = key, .a = a->node, .b = b->node };
    if (!step(o))
        return;
    is_exclusive =
        is_exclusive || (a->parent != b->parent && a->parent && b->parent &&
                         a->parent->kind == TYPE_OBJECT && b->parent->kind == TYPE_OBJECT);
    if (!is_exclusive && !str_eq(a->node->name, b->node->name)) {
        struct str name_a = abbreviated(arena, a->node->name);
        struct str name_b = abbreviated(arena, b->node->name);
        found.reason = arena_printf(arena, "\"%.*s\" and \"%.*s\" are different fields",
                                    STR_FMT(name_a), STR_FMT(name_b));
    } else if (!is_exclusive && !same_arguments(a->node->args, b->node->args)) {
        found.reason = STR("they have differing arguments");
    } else if (stream_conflict(o->v, a->node, b->node)) {
        found.reason = str_of_c(stream_conflict(o->v, a->node, b->node));
    } else if (a->def && b->def && types_conflict(a->def->type, b->def->type)) {
        struct str ta = type_text(arena, a->def->type);
        struct str tb = type_text(arena, b->def->type);
        found.reason = arena_printf(arena, "they return conflicting types \"%.*s\" and \"%.*s\"",
                                    STR_FMT(ta), STR_FMT(tb));
    } else if (a->node->set && b->node->set) {
        struct conflict_list below = { .tail = &below.first };
        between_sets(o, &below, is_exclusive,
                     map_of(o, a->def ? a->def->type->named : NULL, a->node->set),
                     map_of(o, b->def ? b->def->type->named : NULL, b->node->set));
        found.below = below.first;
    }
    if (found.reason.ptr || found.below)
        add_conflict(o, list, found);
}

/* ── maps and fragments ── */

static void between_maps(struct overlap *o, struct conflict_list *list, bool is_exclusive,
                         const struct field_map *a, const struct field_map *b)
{
    for (const struct key_spots *x = a->first; x; x = x->next) {
        if (is_over(o) || !step(o))
            return;
        const struct key_spots *y = names_get(&b->by_key, x->key);
        for (const struct spot *s = x->first; y && s; s = s->next)
            for (const struct spot *t = y->first; t && !is_over(o); t = t->next)
                compare(o, list, is_exclusive, x->key, s, t);
    }
}

static void between_fields_and_fragment(struct overlap *o, struct conflict_list *list,
                                        bool is_exclusive, const struct field_map *map,
                                        struct definition_info *fragment)
{
    if (!step(o) || was_compared(o, false, map->number, fragment->def->number, is_exclusive))
        return;
    const struct field_map *other = map_of_fragment(o, fragment);
    if (map == other)
        return;
    between_maps(o, list, is_exclusive, map, other);
    for (uint32_t i = 0; i < other->fragment_count && !is_over(o); i++)
        between_fields_and_fragment(o, list, is_exclusive, map, other->fragments[i]);
}

static void between_fragments(struct overlap *o, struct conflict_list *list, bool is_exclusive,
                              struct definition_info *a, struct definition_info *b)
{
    uint32_t x = a->def->number, y = b->def->number;
    if (a == b || !step(o) || was_compared(o, true, min_of(x, y), max_of(x, y), is_exclusive))
        return;
    const struct field_map *ma = map_of_fragment(o, a);
    const struct field_map *mb = map_of_fragment(o, b);
    between_maps(o, list, is_exclusive, ma, mb);
    for (uint32_t i = 0; i < mb->fragment_count && !is_over(o); i++)
        between_fragments(o, list, is_exclusive, a, mb->fragments[i]);
    for (uint32_t i = 0; i < ma->fragment_count && !is_over(o); i++)
        between_fragments(o, list, is_exclusive, ma->fragments[i], b);
}

/* ── one selection set ── */

static void within(struct overlap *o, struct conflict_list *list, const struct field_map *map)
{
    for (const struct key_spots *x = map->first; x; x = x->next)
        for (const struct spot *s = x->first; s; s = s->next)
            for (const struct spot *t = s->next; t && !is_over(o); t = t->next)
                compare(o, list, false, x->key, s, t);
    for (uint32_t i = 0; i < map->fragment_count && !is_over(o); i++) {
        between_fields_and_fragment(o, list, false, map, map->fragments[i]);
        for (uint32_t j = i + 1; j < map->fragment_count && !is_over(o); j++)
            between_fragments(o, list, false, map->fragments[i], map->fragments[j]);
    }
}

static struct str reason_text(struct arena *arena, const struct conflict *c)
{
    struct str text = c->reason;
    for (const struct conflict *b = c->below; b && text.len <= DETAIL_MAX; b = b->next) {
        struct str key = abbreviated(arena, b->key);
        struct str why = reason_text(arena, b);
        text = arena_printf(arena, "%.*s%ssubfields \"%.*s\" conflict because %.*s", STR_FMT(text),
                            text.len ? " and " : "", STR_FMT(key), STR_FMT(why));
    }
    return c->below ? abbreviated(arena, text) : text;
}

/* The field and those below it; where there are too many, the deeper ones are kept. */
static size_t place_side(const struct conflict *c, bool is_second, uint32_t at[static PLACES_MAX])
{
    size_t count = 0;
    at[count++] = is_second ? c->b->at : c->a->at;
    for (const struct conflict *b = c->below; b && count < PLACES_MAX; b = b->next) {
        uint32_t below[PLACES_MAX];
        size_t found = place_side(b, is_second, below);
        size_t kept = min_of(found, PLACES_MAX - count);
        memcpy(at + count, below + found - kept, kept * sizeof *at);
        count += kept;
    }
    return count;
}

static void report(struct overlap *o, const struct conflict *c)
{
    struct arena *arena = o->v->arena;
    uint32_t at[2 * PLACES_MAX];
    size_t count = place_side(c, false, at);
    count += place_side(c, true, at + count);
    struct str key = abbreviated(arena, c->key);
    struct str why = reason_text(arena, c);
    validator_report(o->v,
                     arena_printf(arena,
                                  "Fields \"%.*s\" conflict because %.*s. Use different aliases on "
                                  "the fields to fetch both if this was intentional.",
                                  STR_FMT(key), STR_FMT(why)),
                     at, count);
}

static void visit(struct overlap *o, const struct gql_type *parent,
                  const struct ast_selection_set *set, bool is_inline)
{
    struct conflict_list list = { .tail = &list.first };
    const struct gql_schema *s = o->v->schema;
    if (o->v->has_stopped || is_over(o))
        return;
    if (!is_inline)
        within(o, &list, map_of(o, parent, set));
    for (const struct conflict *c = list.first; c; c = c->next)
        report(o, c);
    for (const struct ast_selection *f = set->first; f; f = f->next) {
        const struct gql_type *inner = parent;
        if (!f->set)
            continue;
        if (f->kind == AST_INLINE && f->name.ptr)
            inner = schema_find(s, f->name);
        if (f->kind == AST_FIELD) {
            const struct field_def *def = parent ? schema_field(s, parent, f->name) : NULL;
            inner = def ? def->type->named : NULL;
        }
        visit(o, inner && type_is_composite(inner) ? inner : NULL, f->set, f->kind == AST_INLINE);
    }
}

void validate_overlaps(struct validator *v)
{
    struct overlap o = { .v = v };
    if (!v->errors->count && validate_merge(v))
        return;
    o.maps = arena_new_array(v->arena, v->doc->set_count, struct field_map *);
    for (uint32_t i = 0; i < v->info_count; i++) {
        const struct ast_definition *d = v->infos[i].def;
        if (d->kind == AST_OPERATION)
            visit(&o, v->schema->roots[d->operation], d->set, false);
        else if (d->kind == AST_FRAGMENT)
            visit(&o, schema_find(v->schema, d->condition), d->set, false);
    }
    if (v->options->steps)
        v->options->steps->overlap = o.steps;
    if (!is_over(&o) || v->errors->count)
        return;
    struct gql_error *e =
        error_addf(v->errors, GQL_CODE_COMPLEX,
                   "Fields of the same response keys need more than %d comparisons.", STEPS_MAX);
    e->extensions_json =
        arena_printf(v->arena, "\"limit\":\"comparisons_max\",\"max\":%d,\"value\":%llu", STEPS_MAX,
                     (unsigned long long)o.steps);
}
