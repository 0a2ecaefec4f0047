/*
 * rules: what holds for the definitions of any document, SDL or not: types and directives are
 * known, directives stand where they may, as often as they may, with the arguments that they take.
 * Source: GraphQL Sep 2025, sections 3 and 5.7; messages as graphql-js.
 */
#pragma once
#include "gql/diag_priv.h"
#include "gql/schema_priv.h"

typedef void rules_report_fn(void *owner, struct str message, const uint32_t *at, size_t count);

struct rules {
    const struct ast_document *doc;
    struct arena *arena;
    /* Beside the document's own: name → anything, and name → ast_definition. */
    const struct names *known_types, *known_directives;
    const struct names *standard_types; /* known inside type-system definitions only */
    struct names types;                 /* ast_definition, this document's */
    struct names directives;            /* ast_definition, this document's */
    struct names members;               /* "kind:Type.member" → where it was first */
    struct names at_places;             /* directives seen on a type and its extensions */
    bool no_hints;                      /* no "Did you mean …?" */

    rules_report_fn *report;
    /* A value: of `d`'s argument, of another one (`d` NULL), or a default (both NULL). */
    void (*check_value)(void *owner, const struct ast_directive *d, const struct ast_entry *arg,
                        struct ast_value *value);
    void *owner; /* for both */
};

#define rules_report_at(r, at, ...)                                                                \
    (r)->report((r)->owner, arena_printf((r)->arena, __VA_ARGS__), &(uint32_t){ at }, 1)
#define rules_report_two(r, at1, at2, ...)                                                         \
    (r)->report((r)->owner, arena_printf((r)->arena, __VA_ARGS__), (uint32_t[]){ (at1), (at2) }, 2)

/* Positions as non-NULL pointers into the source, so that a table can hold them. */
static inline void *rules_place(const struct rules *r, uint32_t at)
{
    return (void *)(uintptr_t)(r->doc->source.ptr + at);
}
static inline uint32_t rules_at(const struct rules *r, const void *place)
{
    return (uint32_t)((const char *)place - r->doc->source.ptr);
}

/* Reports a name that none of the types has; `is_sdl`: inside a type-system definition. */
void rules_type_name(struct rules *r, struct str name, uint32_t at, bool is_sdl);
/* `type` names the definition whose extensions share its place; empty: a place of its own. */
void rules_directives(struct rules *r, const struct ast_directive *list, const char *location,
                      struct str type);
/* One error for each name that is there more than once. */
void rules_unique_arguments(struct arena *arena, const struct ast_entry *args,
                            rules_report_fn *report, void *owner);
/* All of the above for one definition. */
void rules_type_system(struct rules *r, const struct ast_definition *d);
void rules_executable(struct rules *r, const struct ast_definition *d);
