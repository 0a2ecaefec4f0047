/* Incremental delivery: what @defer and @stream put off, in both formats. */
#include "gql/tool.h"
#include "gql_harness.h"

static const char sdl[] =
    "directive @access(role: Role!) on FIELD_DEFINITION\n"
    "enum Role { SELF }\n"
    "interface Being { id: Int! }\n"
    "type User implements Being { id: Int! name: String! nick: String slow: String best: User\n"
    "  friends: [User!]! strict: [User!]! tags: [String!]! must: String! secret: String "
    "@access(role: SELF) }\n"
    "type Query { users: [User!]! user: User slow: String text: String tags: [String!] loose: "
    "[User]\n  beings: [Being!]! }\n"
    "type Mutation { change: User }\n"
    "type Subscription { tick: User }";

struct user {
    int64_t id;
    const char *name;
};

static struct user users[] = { { 0, "ann" }, { 1, "bob" }, { 2, "cyd" }, { 3, NULL } };
static void *const three_users[] = { &users[0], &users[1], &users[2] };
static void *const two_users[] = { &users[1], &users[2] };

static struct gql_step *waiting[8];
static int waiting_count, slow_parents, friend_calls;
static bool is_late;
static struct buf payloads; /* one a line, the answer first */
static int payload_count;
static struct gql_operation *cancelled_by_payload;
static uint32_t columns_prepared;

static void get_id(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret)
{
    const struct user *u = parent;
    (void)f;
    (void)ctx;
    *ret = gql_int(u->id);
}

static void get_name(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret)
{
    const struct user *u = parent;
    (void)f;
    (void)ctx;
    if (u->name)
        *ret = gql_text(str_of_c(u->name));
}

static void get_tags(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret)
{
    static const struct gql_value tags[] = {
        { .kind = GQL_TEXT, .text = { "a", 1 } },
        { .kind = GQL_TEXT, .text = { "b", 1 } },
        { .kind = GQL_TEXT, .text = { "c", 1 } },
    };
    (void)f;
    (void)ctx;
    (void)parent;
    *ret = gql_list(tags, countof(tags));
}

static void get_null(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret)
{
    (void)f;
    (void)ctx;
    (void)parent;
    *ret = gql_null();
}

static enum gql_next all_users(struct gql_step *step)
{
    step->results[0] = gql_objects(three_users, countof(three_users));
    return GQL_DONE;
}

static enum gql_next ann(struct gql_step *step)
{
    for (size_t i = 0; i < step->count; i++)
        step->results[i] = gql_object(&users[0]);
    return GQL_DONE;
}

static enum gql_next friends(struct gql_step *step)
{
    friend_calls++;
    for (size_t i = 0; i < step->count; i++)
        step->results[i] = gql_objects(two_users, countof(two_users));
    return GQL_DONE;
}

/* The last of them has no name, which may not be. */
static enum gql_next strict_users(struct gql_step *step)
{
    static void *const list[] = { &users[1], &users[3] };
    for (size_t i = 0; i < step->count; i++)
        step->results[i] = gql_objects(list, countof(list));
    return GQL_DONE;
}

static enum gql_next slow(struct gql_step *step)
{
    slow_parents += (int)step->count;
    for (size_t i = 0; i < step->count; i++)
        step->results[i] = gql_text(STR("slow"));
    if (!is_late)
        return GQL_DONE;
    waiting[waiting_count++] = step;
    return GQL_WAIT;
}

static enum gql_next text(struct gql_step *step)
{
    step->results[0] = gql_text(STR("t"));
    return GQL_DONE;
}

/* Which leaves of the object are asked for, now or later. */
static void *prepare_columns(struct gql_field *f, struct arena *arena)
{
    (void)arena;
    columns_prepared = 0;
    for (uint32_t i = 0; i < f->selection->count; i++)
        columns_prepared += f->selection->sets[i]->count;
    return NULL;
}

static const struct gql_type *being_type(const struct gql_type *t, void *ctx, void *object)
{
    struct harness *h = ctx;
    (void)t;
    (void)object;
    return gql_schema_type(h->schema, STR("User"));
}

static enum gql_next open_source(struct gql_step *step)
{
    step->results[0] = gql_object(step);
    return GQL_DONE;
}

static const struct gql_denial *authorize(void *ctx, const struct gql_access *access)
{
    static const struct gql_denial denial = { .code = "FORBIDDEN", .message = "not yours" };
    (void)ctx;
    (void)access;
    return &denial;
}

static int setup(void **state)
{
    static const struct gql_schema_options options = { .has_incremental = true };
    static struct harness h;
    struct err e;
    harness_schema(&h, sdl, &options);
    h.host.authorize = authorize;
    harness_bind(&h, "Query.users",
                 (struct gql_binding){ .resolve = all_users, .prepare = prepare_columns });
    harness_bind(&h, "Query.beings", (struct gql_binding){ .resolve = all_users });
    harness_bind(&h, "Query.user", (struct gql_binding){ .resolve = ann });
    harness_bind(&h, "Query.loose", (struct gql_binding){ .resolve = strict_users });
    harness_bind(&h, "Query.slow", (struct gql_binding){ .resolve = slow });
    harness_bind(&h, "Query.text", (struct gql_binding){ .resolve = text });
    harness_bind(&h, "Query.tags", (struct gql_binding){ .get = get_tags });
    harness_bind(&h, "Mutation.change", (struct gql_binding){ .resolve = ann });
    harness_bind(&h, "Subscription.tick",
                 (struct gql_binding){ .resolve = ann, .subscribe = open_source });
    harness_bind(&h, "User.id", (struct gql_binding){ .get = get_id });
    harness_bind(&h, "User.name", (struct gql_binding){ .get = get_name });
    harness_bind(&h, "User.nick", (struct gql_binding){ .get = get_name });
    harness_bind(&h, "User.must", (struct gql_binding){ .get = get_null });
    harness_bind(&h, "User.secret", (struct gql_binding){ .get = get_name });
    harness_bind(&h, "User.tags", (struct gql_binding){ .get = get_tags });
    harness_bind(&h, "User.slow", (struct gql_binding){ .resolve = slow });
    harness_bind(&h, "User.best", (struct gql_binding){ .resolve = ann });
    harness_bind(&h, "User.friends", (struct gql_binding){ .resolve = friends });
    harness_bind(&h, "User.strict", (struct gql_binding){ .resolve = strict_users });
    assert_true(gql_schema_bind_type(h.schema, "Being", being_type, &e));
    harness_ready(&h);
    buf_init(&payloads, 0);
    is_late = false;
    cancelled_by_payload = NULL;
    *state = &h;
    return 0;
}

static int teardown(void **state)
{
    harness_clear(*state);
    buf_clear(&payloads);
    return 0;
}

static void on_answered(struct gql_operation *op, const struct gql_outcome *outcome, void *owner)
{
    struct harness *h = owner;
    harness_answered(op, outcome, owner);
    buf_put_str(&payloads, buf_str(&h->out));
}

static void on_payload(struct gql_operation *op, bool has_next, void *owner)
{
    struct harness *h = owner;
    assert_int_equal(h->answered, 1);
    assert_int_equal(h->ended, 0);
    payload_count++;
    buf_put_char(&payloads, '\n');
    buf_put_str(&payloads, buf_str(&h->out));
    assert_true(str_ends_with(buf_str(&h->out),
                              has_next ? STR("\"hasNext\":true}") : STR("\"hasNext\":false}")));
    if (op == cancelled_by_payload)
        gql_cancel(op);
}

static struct gql_operation *start_in(struct harness *h, const char *document,
                                      const char *variables, enum gql_incremental incremental)
{
    struct gql_request request = { .document = str_of_c(document),
                                   .variables = variables ? harness_json(h, variables) : NULL,
                                   .incremental = incremental,
                                   .ctx = h };
    struct gql_end end = harness_end(h);
    end.answered = on_answered;
    end.payload = on_payload;
    waiting_count = slow_parents = friend_calls = payload_count = 0;
    h->answered = h->ended = 0;
    buf_reset(&h->out);
    buf_reset(&payloads);
    return gql_execute(h->engine, h->arena, &request, &h->out, &end);
}

static struct gql_operation *start(struct harness *h, const char *document)
{
    return start_in(h, document, NULL, GQL_INCREMENTAL_DRAFT);
}

static void expect(struct harness *h, const char *document, const char *expected)
{
    start(h, document);
    assert_int_equal(h->ended, 1);
    assert_str(buf_str(&payloads), expected);
}

/* ── @defer ── */

static void deferred_fields_come_after_the_answer(void **state)
{
    struct harness *h = *state;
    is_late = true;
    start(h, "{ text ... @defer(label: \"later\") { slow user { id } } }");
    assert_int_equal(h->answered, 1);
    assert_true(h->outcome.has_next);
    assert_int_equal(waiting_count, 1);
    assert_str(buf_str(&payloads), "{\"data\":{\"text\":\"t\"},\"pending\":[{\"id\":\"0\","
                                   "\"path\":[],\"label\":\"later\"}],\"hasNext\":true}");
    gql_step_finish(waiting[0]);
    assert_int_equal(h->ended, 1);
    assert_str(buf_str(&h->out),
               "{\"incremental\":[{\"id\":\"0\",\"data\":{\"slow\":\"slow\",\"user\":{\"id\":0}}}],"
               "\"completed\":[{\"id\":\"0\"}],\"hasNext\":false}");
}

static void each_fragment_comes_when_it_is_complete(void **state)
{
    struct harness *h = *state;
    is_late = true;
    start(h, "{ ... @defer(label: \"a\") { slow } ... @defer(label: \"b\") { text } }");
    assert_int_equal(payload_count, 1);
    assert_str(buf_str(&h->out), "{\"incremental\":[{\"id\":\"1\",\"data\":{\"text\":\"t\"}}],"
                                 "\"completed\":[{\"id\":\"1\"}],\"hasNext\":true}");
    assert_int_equal(h->ended, 0);
    gql_step_finish(waiting[0]);
    assert_int_equal(payload_count, 2);
    assert_int_equal(h->ended, 1);
}

static void a_deferred_field_runs_once_for_all_parents(void **state)
{
    struct harness *h = *state;
    is_late = true;
    start(h, "{ users { id ... @defer { slow friends { id } } } }");
    assert_int_equal(waiting_count, 1);
    assert_int_equal(slow_parents, 3);
    assert_int_equal(friend_calls, 1);
    gql_step_finish(waiting[0]);
    assert_int_equal(payload_count, 1);
    assert_int_equal(h->ended, 1);
}

static void nothing_is_sent_twice(void **state)
{
    expect(*state, "{ user { id best { id } ... @defer { id name best { id nick } } } }",
           "{\"data\":{\"user\":{\"id\":0,\"best\":{\"id\":0}}},\"pending\":[{\"id\":\"0\","
           "\"path\":[\"user\"]}],\"hasNext\":true}\n"
           "{\"incremental\":[{\"id\":\"0\",\"subPath\":[\"best\"],\"data\":{\"nick\":\"ann\"}},"
           "{\"id\":\"0\",\"data\":{\"name\":\"ann\"}}],\"completed\":[{\"id\":\"0\"}],"
           "\"hasNext\":false}");
}

static void a_field_of_two_fragments_comes_with_the_first(void **state)
{
    expect(*state,
           "{ user { ... @defer(label: \"a\") { id name } ... @defer(label: \"b\") { id nick } } }",
           "{\"data\":{\"user\":{}},\"pending\":[{\"id\":\"0\",\"path\":[\"user\"],\"label\":\"a\"}"
           ",{\"id\":\"1\",\"path\":[\"user\"],\"label\":\"b\"}],\"hasNext\":true}\n"
           "{\"incremental\":[{\"id\":\"0\",\"data\":{\"id\":0}},{\"id\":\"0\",\"data\":{\"name\":"
           "\"ann\"}},{\"id\":\"1\",\"data\":{\"nick\":\"ann\"}}],\"completed\":[{\"id\":\"0\"},"
           "{\"id\":\"1\"}],\"hasNext\":false}");
}

static void a_fragment_that_adds_nothing_is_not_told(void **state)
{
    expect(*state, "{ text ... @defer { text } }", "{\"data\":{\"text\":\"t\"}}");
    expect(*state, "{ text ... @defer(label: \"a\") { text ... @defer(label: \"b\") { tags } } }",
           "{\"data\":{\"text\":\"t\"},\"pending\":[{\"id\":\"0\",\"path\":[],\"label\":\"b\"}],"
           "\"hasNext\":true}\n"
           "{\"incremental\":[{\"id\":\"0\",\"data\":{\"tags\":[\"a\",\"b\",\"c\"]}}],"
           "\"completed\":[{\"id\":\"0\"}],\"hasNext\":false}");
}

static void inner_fragments_open_with_the_outer_one(void **state)
{
    expect(*state, "{ ... @defer(label: \"a\") { user { id ... @defer(label: \"b\") { name } } } }",
           "{\"data\":{},\"pending\":[{\"id\":\"0\",\"path\":[],\"label\":\"a\"}],"
           "\"hasNext\":true}\n"
           "{\"pending\":[{\"id\":\"1\",\"path\":[\"user\"],\"label\":\"b\"}],\"incremental\":[{"
           "\"id\":\"0\",\"data\":{\"user\":{\"id\":0}}}],\"completed\":[{\"id\":\"0\"}],"
           "\"hasNext\":true}\n"
           "{\"incremental\":[{\"id\":\"1\",\"data\":{\"name\":\"ann\"}}],\"completed\":[{\"id\":"
           "\"1\"}],\"hasNext\":false}");
}

static void a_null_that_reaches_a_fragment_fails_it(void **state)
{
    expect(*state, "{ user { id ... @defer { nick must } ... @defer { name secret } } }",
           "{\"data\":{\"user\":{\"id\":0}},\"pending\":[{\"id\":\"0\",\"path\":[\"user\"]},{"
           "\"id\":\"1\",\"path\":[\"user\"]}],\"hasNext\":true}\n"
           "{\"incremental\":[{\"id\":\"1\",\"data\":{\"name\":\"ann\",\"secret\":null},\"errors\":"
           "[{\"message\":\"not yours\",\"locations\":[{\"line\":1,\"column\":56}],\"path\":["
           "\"user\",\"secret\"],\"extensions\":{\"code\":\"FORBIDDEN\"}}]}],"
           "\"completed\":[{\"id\":\"0\",\"errors\":[{\"message\":\"Cannot return null for "
           "non-nullable field User.must.\",\"locations\":[{\"line\":1,\"column\":31}],\"path\":["
           "\"user\",\"must\"],\"extensions\":{\"code\":\"INTERNAL\"}}]},{\"id\":\"1\"}],"
           "\"hasNext\":false}");
}

/* What stands below it was found before the null came, and is taken back with it. */
static void what_a_null_took_down_is_not_pending(void **state)
{
    struct harness *h = *state;
    start(h, "{ text user { tags @stream best { id ... @defer { nick } } must } }");
    assert_int_equal(h->ended, 1);
    assert_true(str_starts_with(buf_str(&payloads), STR("{\"data\":{\"text\":\"t\",\"user\":null},"
                                                        "\"errors\":[{\"message\":\"Cannot ")));
    assert_int_equal(str_find(buf_str(&payloads), STR("pending")), -1);
    assert_false(h->outcome.has_next);
}

static void works_below_the_roots_of_mutations(void **state)
{
    expect(*state, "mutation { a: change { id ... @defer { name } } b: change { nick } }",
           "{\"data\":{\"a\":{\"id\":0},\"b\":{\"nick\":\"ann\"}},\"pending\":[{\"id\":\"0\","
           "\"path\":[\"a\"]}],\"hasNext\":true}\n"
           "{\"incremental\":[{\"id\":\"0\",\"data\":{\"name\":\"ann\"}}],\"completed\":[{\"id\":"
           "\"0\"}],\"hasNext\":false}");
}

static void hooks_see_what_comes_later(void **state)
{
    expect(*state, "{ users @skip(if: true) { id } text }", "{\"data\":{\"text\":\"t\"}}");
    start(*state, "{ users { id ... @defer { name } } }");
    assert_int_equal(columns_prepared, 2);
}

/* ── @stream ── */

static void streams_the_rest_of_a_list(void **state)
{
    expect(*state, "{ users @stream(initialCount: 1, label: \"s\") { id friends { id } } }",
           "{\"data\":{\"users\":[{\"id\":0,\"friends\":[{\"id\":1},{\"id\":2}]}]},\"pending\":[{"
           "\"id\":\"0\",\"path\":[\"users\"],\"label\":\"s\"}],\"hasNext\":true}\n"
           "{\"incremental\":[{\"id\":\"0\",\"items\":[{\"id\":1,\"friends\":[{\"id\":1},{\"id\":2}"
           "]},{\"id\":2,\"friends\":[{\"id\":1},{\"id\":2}]}]}],\"completed\":[{\"id\":\"0\"}],"
           "\"hasNext\":false}");
    assert_int_equal(friend_calls, 2);
    expect(*state, "{ tags @stream(initialCount: 2) }",
           "{\"data\":{\"tags\":[\"a\",\"b\"]},\"pending\":[{\"id\":\"0\",\"path\":[\"tags\"]}],"
           "\"hasNext\":true}\n"
           "{\"incremental\":[{\"id\":\"0\",\"items\":[\"c\"]}],\"completed\":[{\"id\":\"0\"}],"
           "\"hasNext\":false}");
    expect(*state, "{ tags @stream(initialCount: 4) }",
           "{\"data\":{\"tags\":[\"a\",\"b\",\"c\"]}}");
    expect(*state, "{ beings @stream(initialCount: 2) { id } }",
           "{\"data\":{\"beings\":[{\"id\":0},{\"id\":1}]},\"pending\":[{\"id\":\"0\",\"path\":["
           "\"beings\"]}],\"hasNext\":true}\n"
           "{\"incremental\":[{\"id\":\"0\",\"items\":[{\"id\":2}]}],\"completed\":[{\"id\":\"0\"}]"
           ",\"hasNext\":false}");
}

static void the_streams_of_one_field_run_together(void **state)
{
    struct harness *h = *state;
    is_late = true;
    start(h, "{ users { friends @stream(initialCount: 1) { ... on User { slow } } } }");
    assert_int_equal(waiting_count, 1);
    gql_step_finish(waiting[0]);
    assert_int_equal(waiting_count, 2);
    assert_int_equal(slow_parents, 6);
    gql_step_finish(waiting[1]);
    assert_int_equal(payload_count, 1);
    assert_int_equal(h->ended, 1);
}

static void an_item_that_may_not_be_null_ends_its_stream(void **state)
{
    struct harness *h = *state;
    expect(
        h, "{ user { strict @stream { id name } } }",
        "{\"data\":{\"user\":{\"strict\":[]}},\"pending\":[{\"id\":\"0\",\"path\":[\"user\","
        "\"strict\"]}],\"hasNext\":true}\n"
        "{\"incremental\":[{\"id\":\"0\",\"items\":[{\"id\":1,\"name\":\"bob\"}]}],\"completed\":"
        "[{\"id\":\"0\",\"errors\":[{\"message\":\"Cannot return null for non-nullable field "
        "User.name.\",\"locations\":[{\"line\":1,\"column\":30}],\"path\":[\"user\",\"strict\",1,"
        "\"name\"],\"extensions\":{\"code\":\"INTERNAL\"}}]}],\"hasNext\":false}");
    start(h, "{ loose @stream { name } }");
    assert_true(str_find(buf_str(&payloads), STR("\"items\":[{\"name\":\"bob\"},null],\"errors\":[{"
                                                 "\"message\":\"Cannot return null")) > 0);
}

static void counts_may_come_from_variables(void **state)
{
    struct harness *h = *state;
    const char *document = "query ($n: Int! = 1) { tags @stream(initialCount: $n) }";
    start_in(h, document, "{\"n\":2}", GQL_INCREMENTAL_DRAFT);
    assert_true(str_starts_with(buf_str(&payloads), STR("{\"data\":{\"tags\":[\"a\",\"b\"]},")));
    start_in(h, document, NULL, GQL_INCREMENTAL_DRAFT);
    assert_true(str_starts_with(buf_str(&payloads), STR("{\"data\":{\"tags\":[\"a\"]},")));
    start_in(h, document, "{\"n\":-1}", GQL_INCREMENTAL_DRAFT);
    assert_true(str_starts_with(buf_str(&payloads),
                                STR("{\"data\":{\"tags\":null},\"errors\":[{\"message\":"
                                    "\"initialCount must be a positive integer\"")));
}

/* ── the format of 2022, and none ── */

static void speaks_the_format_of_2022(void **state)
{
    struct harness *h = *state;
    start_in(h,
             "{ user { id ... @defer(label: \"d\") { id name } ... @defer { must } tags "
             "@stream(initialCount: 1, label: \"s\") } }",
             NULL, GQL_INCREMENTAL_2022);
    assert_str(
        buf_str(&payloads),
        "{\"data\":{\"user\":{\"id\":0,\"tags\":[\"a\"]}},\"hasNext\":true}\n"
        "{\"incremental\":[{\"path\":[\"user\"],\"label\":\"d\",\"data\":{\"id\":0,\"name\":"
        "\"ann\"}},{\"data\":null,\"path\":[\"user\"],\"errors\":[{\"message\":\"Cannot "
        "return null for non-nullable field User.must.\",\"locations\":[{\"line\":1,"
        "\"column\":61}],\"path\":[\"user\",\"must\"],\"extensions\":{\"code\":\"INTERNAL\"}}]"
        "},{\"path\":[\"user\",\"tags\",1],\"label\":\"s\",\"items\":[\"b\",\"c\"]}],"
        "\"hasNext\":false}");
}

static void one_answer_where_no_format_is_asked_for(void **state)
{
    struct harness *h = *state;
    const char *document =
        "query ($b: Boolean = true) { text ... @defer(if: $b) { slow } tags @stream(if: $b) }";
    const char *whole =
        "{\"data\":{\"text\":\"t\",\"slow\":\"slow\",\"tags\":[\"a\",\"b\",\"c\"]}}";
    start_in(h, document, NULL, GQL_INCREMENTAL_DRAFT);
    assert_int_equal(payload_count, 1);
    start_in(h, document, NULL, GQL_INCREMENTAL_NONE);
    assert_str(buf_str(&payloads), whole);
    start_in(h, document, "{\"b\":false}", GQL_INCREMENTAL_DRAFT);
    assert_str(buf_str(&payloads), whole);
    assert_str(harness_run(h, document, NULL), whole); /* without a `payload` */
    start_in(h, document, "{\"b\":null}", GQL_INCREMENTAL_DRAFT);
    assert_true(h->outcome.is_request_error);
}

static void on_started(struct gql_operation *op, void *stream, const struct gql_outcome *outcome,
                       void *owner)
{
    (void)op;
    (void)outcome;
    (void)owner;
    assert_non_null(stream);
}

static void events_have_one_answer(void **state)
{
    struct harness *h = *state;
    const struct gql_subscriber subscriber = { .started = on_started };
    struct gql_request request = {
        .document = STR("subscription ($b: Boolean! = true) { tick { id ... @defer(if: $b) { name "
                        "} } }"),
        .incremental = GQL_INCREMENTAL_DRAFT,
        .ctx = h,
    };
    struct gql_end end = harness_end(h);
    end.payload = on_payload;
    h->answered = h->ended = payload_count = 0;
    buf_reset(&h->out);
    struct gql_operation *op = gql_subscribe(h->engine, h->arena, &request, &h->out, &subscriber);
    gql_event(op, h->arena, &users[0], &h->out, &end);
    assert_str(buf_str(&h->out), "{\"data\":{\"tick\":{\"id\":0,\"name\":\"ann\"}}}");
    assert_int_equal(payload_count, 0);
    gql_subscription_close(op);
}

/* ── ends ── */

static void the_deadline_completes_what_is_pending(void **state)
{
    struct harness *h = *state;
    is_late = true;
    struct gql_operation *op =
        start(h, "{ user { ... @defer { slow ... @defer(label: \"in\") { name } } } }");
    gql_expire(op, "TIMEOUT", "too late");
    assert_int_equal(payload_count, 1);
    assert_str(
        buf_str(&h->out),
        "{\"pending\":[{\"id\":\"1\",\"path\":[\"user\"],\"label\":\"in\"}],\"incremental\":[{"
        "\"id\":\"0\",\"data\":{\"slow\":null},\"errors\":[{\"message\":\"too late\","
        "\"locations\":[{\"line\":1,\"column\":23}],\"path\":[\"user\",\"slow\"],"
        "\"extensions\":{\"code\":\"TIMEOUT\"}}]}],\"completed\":[{\"id\":\"0\"},{\"id\":"
        "\"1\",\"errors\":[{\"message\":\"too late\",\"path\":[\"user\"],\"extensions\":{"
        "\"code\":\"TIMEOUT\"}}]}],\"hasNext\":false}");
    assert_int_equal(h->ended, 0);
    gql_step_finish(waiting[0]);
    assert_int_equal(h->ended, 1);
}

static void a_deadline_before_the_answer_leaves_nothing_open(void **state)
{
    struct harness *h = *state;
    is_late = true;
    struct gql_operation *op = start(h, "{ slow text ... @defer { tags } }");
    gql_expire(op, "TIMEOUT", "too late");
    assert_int_equal(h->answered, 1);
    assert_int_equal(payload_count, 1);
    assert_str(
        buf_str(&h->out),
        "{\"completed\":[{\"id\":\"0\",\"errors\":[{\"message\":\"too late\",\"extensions\":{"
        "\"code\":\"TIMEOUT\"}}]}],\"hasNext\":false}");
    gql_step_finish(waiting[0]);
    assert_int_equal(h->ended, 1);
}

static void cancelling_between_payloads_says_nothing_more(void **state)
{
    struct harness *h = *state;
    is_late = true;
    struct gql_operation *op = start(h, "{ text ... @defer { slow } ... @defer { user { id } } }");
    assert_int_equal(payload_count, 1);
    gql_cancel(op);
    gql_cancel(op);
    assert_int_equal(h->ended, 0);
    gql_step_finish(waiting[0]);
    assert_int_equal(payload_count, 1);
    assert_int_equal(h->answered, 1);
    assert_int_equal(h->ended, 1);
}

static void cancelling_inside_a_payload_is_safe(void **state)
{
    struct harness *h = *state;
    is_late = true;
    cancelled_by_payload = start(h, "{ ... @defer { slow ... @defer { tags } } }");
    gql_step_finish(waiting[0]);
    assert_int_equal(payload_count, 1);
    assert_int_equal(h->ended, 1);
}

/* ── limits ── */

static void what_is_pending_has_a_limit(void **state)
{
    struct harness *h = *state;
    gql_engine_destroy(h->engine);
    h->limits.pending_max = 2;
    h->engine = gql_engine_create(h->schema, &h->host, &h->limits, h->cache_bytes);
    expect(h, "{ users { id ... @defer { name } } }",
           "{\"data\":null,\"errors\":[{\"message\":\"Query is too complex: its answer needs 3 "
           "deferred fragments and streams or more.\",\"extensions\":{\"code\":"
           "\"QUERY_TOO_COMPLEX\",\"limit\":\"pending_max\",\"value\":3}}]}");
    start(
        h,
        "{ user { ... @defer { friends { id ... @defer { name nick } ... @defer { tags } } } } }");
    assert_int_equal(h->ended, 1);
    assert_true(str_find(buf_str(&h->out), STR("\"limit\":\"pending_max\",\"value\":4}}]}],"
                                               "\"hasNext\":false}")) > 0);
    assert_int_equal(str_find(buf_str(&h->out), STR("\"data\"")), -1);
}

static void the_response_has_one_limit_in_all(void **state)
{
    struct harness *h = *state;
    gql_engine_destroy(h->engine);
    h->limits.response_bytes_max = 140;
    h->engine = gql_engine_create(h->schema, &h->host, &h->limits, h->cache_bytes);
    start(h, "{ text ... @defer { users { id name nick } } }");
    assert_int_equal(h->ended, 1);
    assert_true(str_starts_with(buf_str(&h->out), STR("{\"completed\":[{\"id\":\"0\",\"errors\":[{"
                                                      "\"message\":\"Query is too complex")));
}

static void what_comes_later_costs_too(void **state)
{
    struct harness *h = *state;
    gql_engine_destroy(h->engine);
    h->limits.cost_max = 3;
    h->engine = gql_engine_create(h->schema, &h->host, &h->limits, h->cache_bytes);
    start(h, "{ text ... @defer { slow tags user { id } } }");
    assert_true(h->outcome.is_request_error);
    assert_string_equal(h->outcome.code, "QUERY_TOO_COMPLEX");
}

/* ── the schema and its rules ── */

static void schemas_have_the_directives_only_when_asked(void **state)
{
    struct harness *h = *state;
    struct harness plain;
    struct gql_errors errors = { .arena = h->arena };
    const char *introspection = "{ __schema { directives { name } } }";
    assert_true(str_find(harness_run(h, introspection, NULL), STR("\"defer\"")) > 0);
    harness_schema(&plain, "type Query { a: String }", NULL);
    assert_true(gql_document_validate(plain.schema, STR("{ ... @defer { a } }"), &errors));
    assert_str(errors.first->message, "Unknown directive \"@defer\".");
    harness_clear(&plain);
}

static void tells_what_breaks_the_rules(void **state)
{
    static const struct {
        const char *document, *message;
        uint32_t column;
    } cases[] = {
        { "mutation { ... @defer { change { id } } }",
          "Defer directive cannot be used on root mutation type \"Mutation\".", 16 },
        { "subscription { tick { id ... @defer { name } } }",
          "Defer directive not supported on subscription operations. Disable `@defer` by setting "
          "the `if` argument to `false`.",
          30 },
        { "subscription { tick { id tags @stream } }",
          "Stream directive not supported on subscription operations. Disable `@stream` by setting "
          "the `if` argument to `false`.",
          31 },
        { "query ($l: String) { ... @defer(label: $l) { text } }",
          "Argument \"@defer(label:)\" must be a static string.", 26 },
        { "{ ... @defer(label: \"a\") { text } tags @stream(label: \"a\") }",
          "Value for arguments \"defer(label:)\" and \"stream(label:)\" must be unique across all "
          "Defer/Stream directive usages.",
          7 },
        { "{ text @stream }",
          "Directive \"@stream\" cannot be used on non-list field \"Query.text\".", 8 },
        { "{ tags @stream tags }",
          "Fields \"tags\" conflict because they have overlapping stream directives. Use different "
          "aliases on the fields to fetch both if this was intentional.",
          3 },
    };
    struct harness *h = *state;
    for (size_t i = 0; i < countof(cases); i++) {
        struct gql_errors errors = { .arena = h->arena };
        assert_true(gql_document_validate(h->schema, str_of_c(cases[i].document), &errors));
        assert_int_equal(errors.count, 1);
        assert_str(errors.first->message, cases[i].message);
        assert_int_equal(errors.first->locations[0].column, cases[i].column);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(deferred_fields_come_after_the_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(each_fragment_comes_when_it_is_complete, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deferred_field_runs_once_for_all_parents, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nothing_is_sent_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(a_field_of_two_fragments_comes_with_the_first, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_fragment_that_adds_nothing_is_not_told, setup, teardown),
        cmocka_unit_test_setup_teardown(inner_fragments_open_with_the_outer_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_null_that_reaches_a_fragment_fails_it, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_null_took_down_is_not_pending, setup, teardown),
        cmocka_unit_test_setup_teardown(works_below_the_roots_of_mutations, setup, teardown),
        cmocka_unit_test_setup_teardown(hooks_see_what_comes_later, setup, teardown),
        cmocka_unit_test_setup_teardown(streams_the_rest_of_a_list, setup, teardown),
        cmocka_unit_test_setup_teardown(the_streams_of_one_field_run_together, setup, teardown),
        cmocka_unit_test_setup_teardown(an_item_that_may_not_be_null_ends_its_stream, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(counts_may_come_from_variables, setup, teardown),
        cmocka_unit_test_setup_teardown(speaks_the_format_of_2022, setup, teardown),
        cmocka_unit_test_setup_teardown(one_answer_where_no_format_is_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(events_have_one_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(the_deadline_completes_what_is_pending, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deadline_before_the_answer_leaves_nothing_open, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(cancelling_between_payloads_says_nothing_more, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(cancelling_inside_a_payload_is_safe, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_pending_has_a_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(the_response_has_one_limit_in_all, setup, teardown),
        cmocka_unit_test_setup_teardown(what_comes_later_costs_too, setup, teardown),
        cmocka_unit_test_setup_teardown(schemas_have_the_directives_only_when_asked, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(tells_what_breaks_the_rules, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
