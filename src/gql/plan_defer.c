/*
 * What of a plan comes later. In the working draft's format a field is sent once: it waits for all
 * the @defers that it stands in, and not at all when it also stands outside of them. In the format
 * of 2022 every fragment is sent whole.
 * Source: README.md, "Incremental delivery".
 */
#include "gql/planner_priv.h"

/* ── collecting ── */

bool planner_was_entered(struct planner *pl, struct groups *g,
                         const struct ast_definition *fragment, const struct ast_directive *delay,
                         const struct plan_defer *within)
{
    bool *at_once = &g->entered[fragment->number];
    const struct ast_directive *later = delay ? delay : within ? within->directive : NULL;
    if (*at_once || !later) {
        bool was_entered = *at_once;
        *at_once = true;
        return was_entered;
    }
    const void **key = arena_new_array(pl->scratch, 2, const void *);
    key[0] = fragment;
    key[1] = later;
    struct str bytes = str_of((const char *)key, 2 * sizeof *key);
    return names_add(pl->scratch, &g->entered_later, bytes, pl) != NULL;
}

const struct plan_defer *planner_defer(struct planner *pl, struct groups *g,
                                       const struct ast_directive *delay,
                                       const struct plan_defer *parent)
{
    struct plan_defer *d = arena_new(pl->arena, struct plan_defer);
    d->number = g->defer_count++;
    *g->defer_tail = d;
    g->defer_tail = &d->next;
    d->directive = delay;
    d->parent = parent;
    d->label_json = planner_label(pl, delay);
    return d;
}

const struct plan_defer **planner_defers_of(struct planner *pl, const struct group *group)
{
    const struct node_link *link = group->first;
    while (link && !link->defer)
        link = link->next;
    if (!link)
        return NULL;
    const struct plan_defer **defers =
        arena_new_array(pl->scratch, group->count, const struct plan_defer *);
    uint32_t count = 0;
    for (link = group->first; link; link = link->next)
        defers[count++] = link->defer;
    return defers;
}

/* ── sets of @defers ── */

static bool has_defer(const struct defer_set *set, const struct plan_defer *d)
{
    uint32_t i = 0;
    while (i < set->count && set->defers[i] != d)
        i++;
    return i < set->count;
}

static bool same_defers(const struct defer_set *a, const struct defer_set *b)
{
    bool is_same = a->count == b->count;
    for (uint32_t i = 0; i < a->count && is_same; i++)
        is_same = has_defer(b, a->defers[i]);
    return is_same;
}

static bool is_within(const struct plan_defer *d, const struct defer_set *set)
{
    for (d = d->parent; d; d = d->parent)
        if (has_defer(set, d))
            return true;
    return false;
}

/* What a field waits for: the @defers of its nodes, without those that are within another of them;
 * nothing when one of the nodes is in none. */
static struct defer_set defers_of_group(struct planner *pl, const struct group *group)
{
    struct defer_set all = { 0 }, outer = { 0 };
    all.defers = arena_new_array(pl->arena, group->count, const struct plan_defer *);
    for (const struct node_link *link = group->first; link; link = link->next) {
        if (!link->defer)
            return outer;
        if (!has_defer(&all, link->defer))
            all.defers[all.count++] = link->defer;
    }
    outer.defers = arena_new_array(pl->arena, all.count, const struct plan_defer *);
    for (uint32_t i = 0; i < all.count; i++)
        if (!is_within(all.defers[i], &all))
            outer.defers[outer.count++] = all.defers[i];
    return outer;
}

/* ── now and later ── */

static struct part_fields *part_of(struct planner *pl, struct plan_parts *later,
                                   const struct defer_set *defers)
{
    struct part_fields *p = later->first, *last = NULL;
    for (; p; last = p, p = p->next)
        if (same_defers(&p->part->defers, defers))
            return p;
    p = arena_new(pl->scratch, struct part_fields);
    p->list.tail = &p->list.first;
    p->part = arena_new(pl->arena, struct plan_part);
    p->part->defers = *defers;
    if (last)
        last->part->next = p->part;
    *later->tail = p;
    later->tail = &p->next;
    return p;
}

/* The nodes of a field, each to the part of its own @defer. */
static void split_nodes(struct planner *pl, const struct group *group, struct group_list *now,
                        const struct defer_set *within, struct plan_parts *later)
{
    struct group_list *last_list = NULL;
    struct group *last = NULL;
    struct names copies = { 0 };
    for (const struct node_link *link = group->first; link; link = link->next) {
        struct defer_set own = { 0 };
        if (link->defer) {
            own.defers = arena_new_array(pl->arena, 1, const struct plan_defer *);
            own.defers[own.count++] = link->defer;
        }
        struct group_list *list = same_defers(&own, within) ? now : &part_of(pl, later, &own)->list;
        if (list != last_list) {
            struct group_list **key = arena_new(pl->scratch, struct group_list *);
            *key = list;
            struct str bytes = str_of((const char *)key, sizeof *key);
            last = names_get(&copies, bytes);
            if (!last) {
                last = arena_new(pl->scratch, struct group);
                last->key = group->key;
                last->tail = &last->first;
                names_add(pl->scratch, &copies, bytes, last);
                group_list_add(list, last);
            }
            last_list = list;
        }
        assert(last);
        group_add(pl, last, link->node, link->defer);
    }
}

void planner_split(struct planner *pl, struct group_list *list, const struct defer_set *within,
                   struct plan_parts *later)
{
    struct group *next = list->first;
    *list = (struct group_list){ .tail = &list->first };
    while (next) {
        struct group *group = next;
        next = group->next;
        group->next = NULL;
        if (pl->variant->incremental == GQL_INCREMENTAL_2022) {
            split_nodes(pl, group, list, within, later);
            continue;
        }
        struct defer_set defers = defers_of_group(pl, group);
        group_list_add(same_defers(&defers, within) ? list : &part_of(pl, later, &defers)->list,
                       group);
    }
}

/* ── lists ── */

const struct plan_stream *planner_stream(struct planner *pl, const struct gql_field_plan *f)
{
    const struct ast_directive *d = planner_delay(pl, f->nodes[0], "stream");
    if (!d || type_nullable(f->def->type)->wrap != WRAP_LIST)
        return NULL;
    struct plan_stream *stream = arena_new(pl->arena, struct plan_stream);
    const struct ast_value *count = directive_arg(d, "initialCount");
    stream->label_json = planner_label(pl, d);
    stream->variable = UINT32_MAX;
    if (count && count->kind == AST_VARIABLE)
        stream->variable = count->index;
    else if (count && !str_to_i64(count->text, &stream->initial_count))
        stream->initial_count = INT64_MAX; /* refused by validation: beyond 32 bits */
    return stream;
}

uint32_t planner_parts(const struct plan_set *set, struct gql_set **sets)
{
    uint32_t count = 0;
    const struct plan_part *part = set->deferral ? set->deferral->parts : NULL;
    for (; part; part = part->next, count++)
        if (sets)
            sets[count] = &part->set->set;
    return count;
}
