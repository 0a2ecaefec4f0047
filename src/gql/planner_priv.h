/*
 * planner: what the files that make plans share. Fields are collected by response key, and of each
 * it is kept in which @defer it stands; plan_defer.c then tells apart what comes at once and what
 * comes later.
 */
#pragma once
#include "gql/plan_priv.h"

struct planner {
    const struct gql_schema *s;
    struct plan *p;
    struct plan_variant *variant;
    struct arena *arena;   /* the variant's */
    struct arena *scratch; /* gone after planning */
    const struct gql_value *variables;
    struct names selections; /* selection_key as bytes → plan_selection */
    uint32_t repeats;        /* the most nodes that became one field */
    bool is_over;            /* the plan's budget */
};

/* The fields of one response key. */
struct group {
    struct group *next;
    struct str key;
    struct node_link *first, **tail;
    uint32_t count;
};

struct node_link {
    struct node_link *next;
    const struct ast_selection *node;
    const struct plan_defer *defer; /* NULL: it comes at once */
};

struct group_list {
    struct group *first, **tail;
    uint32_t count;
};

/* What one object's selection sets come to. */
struct groups {
    struct names by_key;
    struct group_list list;
    bool *entered;              /* fragments, by number, that come at once */
    struct names entered_later; /* (fragment, @defer) as bytes */
    struct plan_defer *defers, **defer_tail;
    uint32_t defer_count;
    bool has_defers; /* fields in them, or in outer ones */
};

/* The fields merged into one, as the selection below it is made of them. */
struct field_nodes {
    const struct ast_selection **nodes;
    const struct plan_defer **defers; /* one a node; NULL: none is in a @defer */
    uint32_t count;
    const struct defer_set *within; /* what the field itself waits for */
};

/* A part while it is made. */
struct part_fields {
    struct part_fields *next;
    struct plan_part *part;
    struct group_list list;
};

struct plan_parts {
    struct part_fields *first, **tail;
};

static inline void group_list_add(struct group_list *list, struct group *group)
{
    *list->tail = group;
    list->tail = &group->next;
    list->count++;
}

static inline void group_add(struct planner *pl, struct group *group,
                             const struct ast_selection *node, const struct plan_defer *defer)
{
    struct node_link *link = arena_new(pl->scratch, struct node_link);
    link->node = node;
    link->defer = defer;
    *group->tail = link;
    group->tail = &link->next;
    group->count++;
}

/* The @defer or @stream of a selection that holds for this variant, or NULL. */
struct ast_directive *planner_delay(const struct planner *pl, const struct ast_selection *s,
                                    const char *name);
/* The directive's label as JSON, or empty. */
struct str planner_label(const struct planner *pl, const struct ast_directive *d);

/* True when the fragment was spread here before, at least as early. */
bool planner_was_entered(struct planner *pl, struct groups *g,
                         const struct ast_definition *fragment, const struct ast_directive *delay,
                         const struct plan_defer *within);
/* Makes the @defer that `delay` begins, numbered in its groups. */
const struct plan_defer *planner_defer(struct planner *pl, struct groups *g,
                                       const struct ast_directive *delay,
                                       const struct plan_defer *parent);
/* One a node of the group; NULL when none is in a @defer. */
const struct plan_defer **planner_defers_of(struct planner *pl, const struct group *group);
/* Leaves in `list` what comes with `within`; the rest goes to `later`, by what it waits for. */
void planner_split(struct planner *pl, struct group_list *list, const struct defer_set *within,
                   struct plan_parts *later);
/* The field's @stream, or NULL. */
const struct plan_stream *planner_stream(struct planner *pl, const struct gql_field_plan *f);
/* Lists the parts of a set; returns how many there are. `sets` may be NULL. */
uint32_t planner_parts(const struct plan_set *set, struct gql_set **sets);
