/*
 * The response: one walk over what came back, straight into the buffer. A null that may not be
 * takes back what its object has written. Source: GraphQL Sep 2025, sections 6.4.3, 6.4.4 and 7.
 */
#include "gql/deliver_priv.h"
#include "gql/diag_priv.h"
#include "gql/execute_priv.h"
#include "json/writer.h"

struct writer {
    struct gql_operation *op;
    struct buf *out;
    struct gql_errors *errors;
};

enum outcome { WROTE, IS_NULL, FAILED };

/* ── errors ── */

const struct gql_path *respond_path(struct arena *arena, const struct frame *at)
{
    if (!at)
        return NULL;
    struct gql_path *p = arena_new(arena, struct gql_path);
    p->parent = respond_path(arena, at->above);
    p->index = at->index;
    if (at->field)
        p->key = at->field->field.response_key;
    return p;
}

/* A field error, placed at the field's nodes unless it has places of its own. */
static enum outcome fail(struct writer *w, const struct gql_field_plan *f, const struct frame *at,
                         const struct gql_error *from)
{
    struct gql_operation *op = w->op;
    struct gql_error *e = error_add(w->errors, from->code, from->message);
    e->extensions_json = from->extensions_json;
    e->locations = from->locations;
    e->location_count = from->location_count;
    e->path = respond_path(op->arena, at);
    if (!e->location_count) {
        uint32_t *places = arena_new_array(op->arena, f->node_count, uint32_t);
        for (uint32_t i = 0; i < f->node_count; i++)
            places[i] = f->nodes[i]->at;
        error_place(w->errors, e, op->plan->text, places, f->node_count);
    }
    return FAILED;
}

static enum outcome fail_text(struct writer *w, const struct gql_field_plan *f,
                              const struct frame *at, struct str message)
{
    struct gql_error e = { .message = message, .code = GQL_CODE_INTERNAL };
    return fail(w, f, at, &e);
}

/* ── values ── */

static enum outcome write_node(struct writer *w, const struct node *n, const struct frame *at);
static enum outcome write_slot(struct writer *w, const struct gql_field_plan *f,
                               const struct type_ref *t, const struct slot *s,
                               const struct frame *at);
static enum outcome write_value(struct writer *w, const struct gql_field_plan *f,
                                const struct type_ref *t, const struct gql_value *v,
                                const struct frame *at);

static enum outcome write_items(struct writer *w, const struct gql_field_plan *f,
                                const struct type_ref *item, const struct slot *s,
                                const struct frame *at)
{
    buf_put_char(w->out, '[');
    for (uint32_t i = 0; i < s->count; i++) {
        struct frame here = { .above = at, .index = i };
        struct slot node = { .kind = SLOT_NODE };
        const struct slot *one = &node;
        if (s->kind == SLOT_NODES)
            node.nodes = &s->nodes[i];
        else
            one = &s->items[i];
        if (i)
            buf_put_char(w->out, ',');
        if (write_slot(w, f, item, one, &here) == FAILED)
            return FAILED;
    }
    buf_put_char(w->out, ']');
    return WROTE;
}

static enum outcome write_leaf_list(struct writer *w, const struct gql_field_plan *f,
                                    const struct type_ref *item, const struct gql_value *v,
                                    const struct frame *at)
{
    buf_put_char(w->out, '[');
    for (uint32_t i = 0; i < v->count; i++) {
        struct frame here = { .above = at, .index = i };
        if (i)
            buf_put_char(w->out, ',');
        if (write_value(w, f, item, &v->items[i], &here) == FAILED)
            return FAILED;
    }
    buf_put_char(w->out, ']');
    return WROTE;
}

static enum outcome fail_not_list(struct writer *w, const struct gql_field_plan *f,
                                  const struct frame *at)
{
    return fail_text(w, f, at,
                     arena_printf(w->op->arena,
                                  "Expected Iterable, but did not find one for field "
                                  "\"%.*s.%.*s\".",
                                  STR_FMT(f->field.parent_type->name), STR_FMT(f->field.name)));
}

/* What only a resolver's bug can give: a list or a leaf where one object belongs. */
static enum outcome fail_list(struct writer *w, const struct gql_field_plan *f,
                              const struct frame *at)
{
    return fail_text(w, f, at,
                     arena_printf(w->op->arena,
                                  "Expected one value, but found a list for field "
                                  "\"%.*s.%.*s\".",
                                  STR_FMT(f->field.parent_type->name), STR_FMT(f->field.name)));
}

static enum outcome fail_leaf(struct writer *w, const struct gql_field_plan *f,
                              const struct frame *at)
{
    return fail_text(w, f, at,
                     arena_printf(w->op->arena,
                                  "Expected an object, but found a leaf value for "
                                  "field \"%.*s.%.*s\".",
                                  STR_FMT(f->field.parent_type->name), STR_FMT(f->field.name)));
}

static enum outcome write_bare_value(struct writer *w, const struct gql_field_plan *f,
                                     const struct type_ref *t, const struct gql_value *v,
                                     const struct frame *at)
{
    struct str why;
    if (v->kind == GQL_ERROR)
        return fail(w, f, at, v->error);
    if (gql_is_null(v))
        return IS_NULL;
    if (t->wrap == WRAP_LIST && v->kind == GQL_LIST)
        return write_leaf_list(w, f, t->of, v, at);
    if (t->wrap == WRAP_LIST && v->kind == GQL_RAW && str_starts_with(v->text, STR("["))) {
        buf_put_str(w->out, v->text);
        return WROTE;
    }
    if (t->wrap == WRAP_LIST)
        return fail_not_list(w, f, at);
    switch (leaf_write(w->out, w->op->arena, t->named, v, &why)) {
    case LEAF_WRITTEN:
        return WROTE;
    case LEAF_NULL:
        return IS_NULL;
    case LEAF_BAD:
        break;
    }
    return fail_text(w, f, at, why);
}

/* Rare, and kept out of the way of what every list and object goes through. */
__attribute__((noinline)) static enum outcome
write_cut_list(struct writer *w, const struct gql_field_plan *f, const struct type_ref *t,
               const struct cut_list *cut, const struct frame *at)
{
    /* Non-null, so that what fails here goes on to the list's own place. */
    const struct type_ref whole = { .wrap = WRAP_NON_NULL, .of = t, .named = t->named };
    enum outcome o = write_slot(w, f, &whole, &cut->head, at);
    if (o == WROTE)
        deliver_found_rest(w->op, f, cut, at, w->out->len);
    return o;
}

__attribute__((always_inline)) static inline enum outcome
write_bare_slot(struct writer *w, const struct gql_field_plan *f, const struct type_ref *t,
                const struct slot *s, const struct frame *at)
{
    switch (s->kind) {
    case SLOT_PENDING:
        assert(w->op->expiry);
        return fail(w, f, at, w->op->expiry);
    case SLOT_VALUE:
        if (type_is_composite(t->named) && !gql_is_null(&s->value) && s->value.kind != GQL_ERROR)
            return t->wrap == WRAP_LIST ? fail_not_list(w, f, at) : fail_leaf(w, f, at);
        return write_bare_value(w, f, t, &s->value, at);
    case SLOT_NODE:
        if (t->wrap == WRAP_LIST)
            return s->nodes->set ? fail_not_list(w, f, at) : IS_NULL;
        return s->nodes->set ? write_node(w, s->nodes, at) : IS_NULL;
    case SLOT_NODES:
    case SLOT_LIST:
        return t->wrap == WRAP_LIST ? write_items(w, f, t->of, s, at) : fail_list(w, f, at);
    case SLOT_STREAM:
        return write_cut_list(w, f, t, s->cut, at);
    }
    return IS_NULL;
}

static enum outcome fail_null(struct writer *w, const struct gql_field_plan *f,
                              const struct frame *at)
{
    assert(f); /* respond_node's object is none */
    return fail_text(w, f, at,
                     arena_printf(w->op->arena,
                                  "Cannot return null for non-nullable field %.*s.%.*s.",
                                  STR_FMT(f->field.parent_type->name), STR_FMT(f->field.name)));
}

/* Section 6.4.4, for what was not written: a nullable place stops the fall, a non-null one passes
 * it on. */
__attribute__((always_inline)) static inline enum outcome
settle(struct writer *w, const struct gql_field_plan *f, const struct type_ref *t, enum outcome o,
       size_t start, const struct frame *at)
{
    if (t->wrap == WRAP_NON_NULL)
        return o == FAILED ? FAILED : fail_null(w, f, at);
    if (!w->out->failed)
        w->out->len = start;
    if (w->op->delivery)
        deliver_forget(w->op, start);
    buf_put_c(w->out, "null");
    return WROTE;
}

static enum outcome write_slot(struct writer *w, const struct gql_field_plan *f,
                               const struct type_ref *t, const struct slot *s,
                               const struct frame *at)
{
    size_t start = w->out->len;
    enum outcome o = write_bare_slot(w, f, type_nullable(t), s, at);
    return o == WROTE ? WROTE : settle(w, f, t, o, start, at);
}

static enum outcome write_value(struct writer *w, const struct gql_field_plan *f,
                                const struct type_ref *t, const struct gql_value *v,
                                const struct frame *at)
{
    size_t start = w->out->len;
    enum outcome o = write_bare_value(w, f, type_nullable(t), v, at);
    return o == WROTE ? WROTE : settle(w, f, t, o, start, at);
}

/* ── objects that nothing was stored for ── */

static enum outcome write_lazy(struct writer *w, const struct gql_field_plan *f,
                               const struct type_ref *t, const struct gql_value *v,
                               const struct frame *at);

static enum outcome write_lazy_items(struct writer *w, const struct gql_field_plan *f,
                                     const struct type_ref *item, const struct gql_value *list,
                                     const struct frame *at)
{
    buf_put_char(w->out, '[');
    for (uint32_t i = 0; i < list->count; i++) {
        struct frame here = { .above = at, .index = i };
        struct gql_value one =
            list->kind == GQL_OBJECTS ? gql_object(list->objects[i]) : list->items[i];
        if (i)
            buf_put_char(w->out, ',');
        if (write_lazy(w, f, item, &one, &here) == FAILED)
            return FAILED;
    }
    buf_put_char(w->out, ']');
    return WROTE;
}

static enum outcome write_bare_lazy(struct writer *w, const struct gql_field_plan *f,
                                    const struct type_ref *t, const struct gql_value *v,
                                    const struct frame *at)
{
    const struct gql_error *error = NULL;
    bool is_list = t->wrap == WRAP_LIST;
    if (v->kind == GQL_ERROR)
        return fail(w, f, at, v->error);
    if (gql_is_null(v))
        return IS_NULL;
    if (v->kind == GQL_LIST || v->kind == GQL_OBJECTS)
        return is_list ? write_lazy_items(w, f, t->of, v, at) : fail_list(w, f, at);
    if (is_list)
        return fail_not_list(w, f, at);
    if (v->kind != GQL_OBJECT)
        return fail_leaf(w, f, at);
    struct node n = { .source = v->object, .set = object_set(w->op, f, v, &error) };
    return n.set ? write_node(w, &n, at) : fail(w, f, at, error);
}

static enum outcome write_lazy(struct writer *w, const struct gql_field_plan *f,
                               const struct type_ref *t, const struct gql_value *v,
                               const struct frame *at)
{
    size_t start = w->out->len;
    enum outcome o = write_bare_lazy(w, f, type_nullable(t), v, at);
    return o == WROTE ? WROTE : settle(w, f, t, o, start, at);
}

/* ── fields ── */

static enum outcome write_got_leaf(struct writer *w, const struct gql_field_plan *f,
                                   const struct node *n, const struct frame *at)
{
    struct gql_value v = gql_null();
    if (f->def->access.ptr) {
        const struct gql_error *denied = access_check(w->op, f, NULL, n->source);
        if (denied)
            v = (struct gql_value){ .kind = GQL_ERROR, .error = denied };
    }
    if (v.kind == GQL_NULL)
        f->def->binding.get(&f->field, w->op->request.ctx, n->source, &v);
    return write_value(w, f, f->def->type, &v, at);
}

/* `,"key":`, or without the comma. */
static void put_key(struct buf *out, struct str key_json, bool is_first)
{
    struct str key = str_of(key_json.ptr + is_first, key_json.len - is_first);
    char *at =
        key.len <= KEY_ROOM && buf_has_room(out, KEY_ROOM) ? buf_reserve(out, KEY_ROOM) : NULL;
    if (!at) {
        buf_put_str(out, key);
        return;
    }
    memcpy(at, key.ptr, KEY_ROOM); /* a size that the compiler knows */
    buf_advance(out, key.len);
}

/* Most leaves of most answers: one value that is right. All else is for write_value to tell. */
static enum outcome write_quick(struct writer *w, const struct gql_field_plan *f,
                                const struct node *n, const struct frame *above)
{
    struct gql_value v = gql_null();
    struct str why;
    f->def->binding.get(&f->field, w->op->request.ctx, n->source, &v);
    if (v.kind != GQL_NULL && v.kind != GQL_ERROR &&
        leaf_write(w->out, w->op->arena, f->field.type, &v, &why) == LEAF_WRITTEN)
        return WROTE;
    struct frame at = { .above = above, .field = f };
    return write_value(w, f, f->def->type, &v, &at);
}

static enum outcome write_field(struct writer *w, const struct gql_field_plan *f, bool is_first,
                                const struct node *n, const struct frame *above)
{
    put_key(w->out, f->key_json, is_first);
    if (f->is_quick)
        return write_quick(w, f, n, above);
    struct frame at = { .above = above, .field = f };
    switch (f->source) {
    case SOURCE_TYPENAME:
        buf_put_str(w->out, n->set->typename_json);
        return WROTE;
    case SOURCE_GET_LEAF:
        return write_got_leaf(w, f, n, &at);
    case SOURCE_GET_LAZY: {
        struct gql_value v = gql_null();
        f->def->binding.get(&f->field, w->op->request.ctx, n->source, &v);
        return write_lazy(w, f, f->def->type, &v, &at);
    }
    case SOURCE_GET:
    case SOURCE_STEP:
        return write_slot(w, f, f->def->type, &n->slots[f->slot], &at);
    }
    return IS_NULL;
}

static enum outcome write_own_fields(struct writer *w, const struct node *n, const struct frame *at)
{
    const struct gql_set *set = &n->set->set;
    buf_put_char(w->out, '{');
    for (uint32_t i = 0; i < set->count; i++)
        if (write_field(w, set->fields[i]->plan, i == 0, n, at) == FAILED)
            return FAILED;
    buf_put_char(w->out, '}');
    return WROTE;
}

static enum outcome write_node(struct writer *w, const struct node *n, const struct frame *at)
{
    const struct plan_deferral *deferral = n->set->deferral;
    const struct scope *outer = deferral ? deliver_enter(w->op, deferral, at) : NULL;
    enum outcome o = write_own_fields(w, n, at);
    if (deferral && o == WROTE)
        deliver_found_parts(w->op, n, w->out->len);
    if (deferral)
        deliver_leave(w->op, outer);
    return o;
}

static bool write_roots(struct gql_operation *op, uint32_t from, uint32_t to)
{
    struct writer w = { .op = op, .out = op->out, .errors = &op->errors };
    for (uint32_t i = from; i < to; i++)
        if (write_field(&w, op->root.set->set.fields[i]->plan, i == 0, &op->root, NULL) == FAILED)
            return false;
    return true;
}

/* Nothing of a mutation's root comes later: validation sees to that. */
bool respond_fields(struct gql_operation *op, uint32_t from, uint32_t to)
{
    if (!op->root.set->deferral)
        return write_roots(op, from, to);
    const struct scope *outer = deliver_enter(op, op->root.set->deferral, NULL);
    bool ok = write_roots(op, from, to);
    if (ok)
        deliver_found_parts(op, &op->root, op->out->len);
    deliver_leave(op, outer);
    return ok;
}

bool respond_node(struct gql_operation *op, struct node *n, const struct frame *at, struct buf *out,
                  struct gql_errors *errors)
{
    struct writer w = { .op = op, .out = out, .errors = errors };
    const struct type_ref named = { .wrap = WRAP_NAMED };
    const struct type_ref type = { .wrap = WRAP_NON_NULL, .of = &named };
    const struct slot slot = { .kind = SLOT_NODE, .nodes = n };
    return write_slot(&w, NULL, &type, &slot, at) != FAILED;
}

void respond_items(struct gql_operation *op, const struct gql_field_plan *f,
                   const struct slot *rest, uint32_t index, const struct frame *at, struct buf *out,
                   struct gql_errors *errors, const struct gql_error **ret_failure)
{
    struct writer w = { .op = op, .out = out, .errors = errors };
    const struct type_ref *item = type_nullable(f->def->type)->of;
    uint32_t count = rest->kind == SLOT_VALUE ? rest->value.count : rest->count;
    for (uint32_t i = 0; i < count; i++) {
        struct frame here = { .above = at, .index = index + i };
        struct slot one = { .kind = SLOT_NODE };
        struct gql_errors before = *errors;
        size_t start = out->len;
        if (rest->kind == SLOT_NODES)
            one.nodes = &rest->nodes[i];
        else if (rest->kind == SLOT_LIST)
            one = rest->items[i];
        else
            one = (struct slot){ .kind = SLOT_VALUE, .value = rest->value.items[i] };
        if (i)
            buf_put_char(out, ',');
        if (write_slot(&w, f, item, &one, &here) != FAILED)
            continue;
        *ret_failure = errors->last;
        if (before.last)
            before.last->next = NULL;
        *errors = before;
        if (!out->failed)
            out->len = start;
        deliver_forget(op, start);
        return;
    }
}

void respond_field_error(struct gql_operation *op, const struct gql_field_plan *f,
                         const struct gql_error *from)
{
    struct writer w = { .op = op, .out = op->out, .errors = &op->errors };
    struct frame at = { .field = f };
    fail(&w, f, &at, from);
}

/* ── the list of errors: section 7.1.2 ── */

static void put_path(struct buf *out, const struct gql_path *p)
{
    if (p->parent) {
        put_path(out, p->parent);
        buf_put_char(out, ',');
    }
    if (p->key.ptr)
        json_put_string(out, p->key);
    else
        buf_put_u64(out, p->index);
}

static void put_frames(struct buf *out, const struct frame *at, size_t count)
{
    if (!count)
        return;
    assert(at); /* there are `count` of them at least */
    put_frames(out, at->above, count - 1);
    if (count > 1)
        buf_put_char(out, ',');
    if (at->field)
        json_put_string(out, at->field->field.response_key);
    else
        buf_put_u64(out, at->index);
}

void respond_path_list(struct buf *out, const struct frame *at, size_t skip)
{
    size_t length = 0;
    for (const struct frame *f = at; f; f = f->above)
        length++;
    buf_put_char(out, '[');
    put_frames(out, at, length - skip);
    buf_put_char(out, ']');
}

static void put_error(struct buf *out, const struct gql_error *e)
{
    buf_put_c(out, "{\"message\":");
    json_put_string(out, e->message);
    for (size_t i = 0; i < e->location_count; i++)
        buf_printf(out, "%s{\"line\":%u,\"column\":%u}%s", i ? "," : ",\"locations\":[",
                   e->locations[i].line, e->locations[i].column,
                   i + 1 == e->location_count ? "]" : "");
    if (e->path) {
        buf_put_c(out, ",\"path\":[");
        put_path(out, e->path);
        buf_put_char(out, ']');
    }
    if (e->code || e->extensions_json.len) {
        buf_put_c(out, ",\"extensions\":{");
        if (e->code)
            buf_printf(out, "\"code\":\"%s\"%s", e->code, e->extensions_json.len ? "," : "");
        buf_put_str(out, e->extensions_json);
        buf_put_char(out, '}');
    }
    buf_put_char(out, '}');
}

void respond_error_list(struct buf *out, const struct gql_errors *errors)
{
    buf_put_char(out, '[');
    for (const struct gql_error *e = errors->first; e; e = e->next) {
        if (e != errors->first)
            buf_put_char(out, ',');
        put_error(out, e);
    }
    buf_put_char(out, ']');
}

void respond_errors(struct buf *out, const struct gql_errors *errors)
{
    buf_put_c(out, "\"errors\":");
    respond_error_list(out, errors);
}
