#include <math.h>

#include "gql_harness.h"

/* ── a small world: users and their friends, asked for in batches ── */

static const char sdl[] =
    "directive @access(role: Role!) on FIELD_DEFINITION | INPUT_FIELD_DEFINITION\n"
    "enum Role { ANYONE SELF ADMIN }\n"
    "interface Being { id: Int! }\n"
    "type User implements Being { id: Int! name: String! nick: String friends: [User!]! best: "
    "User\n"
    "  secret: String @access(role: SELF) hidden: String @access(role: ADMIN) must: String! }\n"
    "type Bot implements Being { id: Int! model: String }\n"
    "input Change { name: String role: String @access(role: ADMIN) }\n"
    "type Query { users: [User!] user(id: Int!): User beings: [Being] boom: Int! text: String }\n"
    "type Mutation { first: Int second(fail: Boolean = false): Int! third: Int\n"
    "  change(input: Change): Boolean }\n"
    "type Subscription { tick: User }";

struct user {
    int64_t id;
    const char *name;
};

static struct user users[] = { { 0, "ann" }, { 1, "bob" }, { 2, "cyd" }, { 3, NULL } };
static void *const three_users[] = { &users[0], &users[1], &users[2] };

static int friend_calls;
static size_t friend_parents;
static struct gql_step *waiting[8];
static int waiting_count;
static char trace[256];

static void note(const char *word)
{
    size_t len = strlen(trace);
    snprintf(trace + len, sizeof trace - len, "%s ", word);
}

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

static enum gql_next all_users(struct gql_step *step)
{
    step->results[0] = gql_objects(three_users, countof(three_users));
    return GQL_DONE;
}

static enum gql_next user_by_id(struct gql_step *step)
{
    int64_t id = gql_arg(step, "id")->integer;
    if (id == 9)
        step->results[0] = gql_fail(step->arena, "NOT_FOUND", "no user %d", 9);
    else if (id >= 0 && id < (int64_t)countof(users))
        step->results[0] = gql_object(&users[id]);
    return GQL_DONE;
}

static enum gql_next friends(struct gql_step *step)
{
    friend_calls++;
    friend_parents = step->count;
    for (size_t i = 0; i < step->count; i++)
        step->results[i] = gql_objects(three_users, 2);
    return GQL_DONE;
}

static enum gql_next later(struct gql_step *step)
{
    waiting[waiting_count++] = step;
    return GQL_WAIT;
}

static enum gql_next bobs(struct gql_step *step)
{
    for (size_t i = 0; i < step->count; i++)
        step->results[i] = gql_object(&users[1]);
    return GQL_DONE;
}

static const struct gql_type *being_type(const struct gql_type *t, void *ctx, void *object)
{
    struct harness *h = ctx;
    (void)t;
    return gql_schema_type(h->schema, object == &users[1] ? STR("Bot") : STR("User"));
}

static enum gql_next beings(struct gql_step *step)
{
    static void *const list[] = { &users[0], &users[1], NULL, &users[2] };
    step->results[0] = gql_objects(list, countof(list));
    return GQL_DONE;
}

static enum gql_next first(struct gql_step *step)
{
    note("first");
    return later(step);
}

static enum gql_next second(struct gql_step *step)
{
    note("second");
    step->results[0] = gql_arg(step, "fail")->boolean ? gql_null() : gql_int(2);
    return GQL_DONE;
}

static enum gql_next third(struct gql_step *step)
{
    note("third");
    step->results[0] = gql_int(3);
    return GQL_DONE;
}

static enum gql_next change(struct gql_step *step)
{
    note("change");
    step->results[0] = gql_bool(true);
    return GQL_DONE;
}

static const struct gql_denial *authorize(void *ctx, const struct gql_access *access)
{
    static const struct gql_denial denial = { .code = "FORBIDDEN", .message = "not yours" };
    const struct user *parent = access->parent;
    (void)ctx;
    if (str_eq_c(access->role, "SELF"))
        return parent && parent->id == 0 ? NULL : &denial;
    return str_eq_c(access->role, "ADMIN") ? &denial : NULL;
}

static void map_err(void *ctx, const struct err *err, struct gql_error *error)
{
    (void)ctx;
    error->code = err->code == ERR_UNAVAILABLE ? "DATABASE_UNAVAILABLE" : "INTERNAL";
}

static int setup(void **state)
{
    struct harness *h = test_malloc(sizeof *h);
    struct err e;
    harness_schema(h, sdl, NULL);
    h->host = (struct gql_host){ .authorize = authorize, .map_err = map_err };
    harness_bind(h, "Query.users", (struct gql_binding){ .resolve = all_users });
    harness_bind(h, "Query.user", (struct gql_binding){ .resolve = user_by_id });
    harness_bind(h, "Query.beings", (struct gql_binding){ .resolve = beings });
    harness_bind(h, "Query.boom", (struct gql_binding){ .resolve = later });
    harness_bind(h, "Query.text", (struct gql_binding){ .resolve = later });
    harness_bind(h, "Mutation.first", (struct gql_binding){ .resolve = first });
    harness_bind(h, "Mutation.second", (struct gql_binding){ .resolve = second });
    harness_bind(h, "Mutation.third", (struct gql_binding){ .resolve = third });
    harness_bind(h, "Mutation.change", (struct gql_binding){ .resolve = change });
    harness_bind(h, "Subscription.tick",
                 (struct gql_binding){ .resolve = bobs, .subscribe = all_users });
    harness_bind(h, "User.id", (struct gql_binding){ .get = get_id });
    harness_bind(h, "Bot.id", (struct gql_binding){ .get = get_id });
    harness_bind(h, "Bot.model", (struct gql_binding){ .get = get_name });
    harness_bind(h, "User.name", (struct gql_binding){ .get = get_name });
    harness_bind(h, "User.nick", (struct gql_binding){ .get = get_name });
    harness_bind(h, "User.must", (struct gql_binding){ .get = get_name });
    harness_bind(h, "User.secret", (struct gql_binding){ .get = get_name });
    harness_bind(h, "User.hidden", (struct gql_binding){ .resolve = later });
    harness_bind(h, "User.friends", (struct gql_binding){ .resolve = friends });
    harness_bind(h, "User.best", (struct gql_binding){ .resolve = later });
    assert_true(gql_schema_bind_type(h->schema, "Being", being_type, &e));
    harness_ready(h);
    *state = h;
    friend_calls = waiting_count = 0;
    trace[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    harness_clear(*state);
    test_free(*state);
    return 0;
}

static struct gql_operation *start(struct harness *h, const char *document)
{
    struct gql_request request = { .document = str_of_c(document), .ctx = h };
    return harness_start(h, &request);
}

/* ── fields in order, levels in batches ── */

/* spec: GraphQL Sep 2025, 6.3 */
static void answers_in_document_order(void **state)
{
    assert_str(harness_run(*state,
                           "{ b: user(id: 1) { __typename n: name ...F } } "
                           "fragment F on User { id name ... on User { nick } }",
                           NULL),
               "{\"data\":{\"b\":{\"__typename\":\"User\",\"n\":\"bob\",\"id\":1,\"name\":\"bob\","
               "\"nick\":\"bob\"}}}");
}

static void merges_selections_of_one_key(void **state)
{
    assert_str(harness_run(*state,
                           "{ user(id: 0) { id friends { id } } user(id: 0) { name friends "
                           "{ name } } }",
                           NULL),
               "{\"data\":{\"user\":{\"id\":0,\"friends\":[{\"id\":0,\"name\":\"ann\"},{\"id\":1,"
               "\"name\":\"bob\"}],\"name\":\"ann\"}}}");
}

static void calls_a_resolver_once_a_level(void **state)
{
    harness_run(*state, "{ users { friends { friends { id } } } }", NULL);
    assert_int_equal(friend_calls, 2);
    assert_int_equal(friend_parents, 6);
}

static void tells_types_of_abstract_values(void **state)
{
    assert_str(harness_run(*state,
                           "{ beings { __typename id ... on Bot { model } ... on User { name "
                           "} } }",
                           NULL),
               "{\"data\":{\"beings\":[{\"__typename\":\"User\",\"id\":0,\"name\":\"ann\"},"
               "{\"__typename\":\"Bot\",\"id\":1,\"model\":\"bob\"},null,{\"__typename\":\"User\","
               "\"id\":2,\"name\":\"cyd\"}]}}");
}

/* spec: GraphQL Sep 2025, 3.13.1 and 3.13.2 */
static void leaves_out_what_skip_and_include_say(void **state)
{
    static const char query[] =
        "query ($s: Boolean!, $i: Boolean!) { user(id: 0) { id @skip(if: $s) ...F @include(if: $i) "
        "nick @skip(if: true) } } fragment F on User { name }";
    assert_str(harness_run(*state, query, "{\"s\": true, \"i\": true}"),
               "{\"data\":{\"user\":{\"name\":\"ann\"}}}");
    assert_str(harness_run(*state, query, "{\"s\": false, \"i\": false}"),
               "{\"data\":{\"user\":{\"id\":0}}}");
    assert_str(harness_run(*state, query, "{\"s\": true, \"i\": false}"),
               "{\"data\":{\"user\":{}}}");
}

/* ── errors and null: section 6.4.4 ── */

static void errors_have_path_and_place(void **state)
{
    assert_str(harness_run(*state, "{\n  x: user(id: 9) { id }\n}", NULL),
               "{\"data\":{\"x\":null},\"errors\":[{\"message\":\"no user 9\",\"locations\":"
               "[{\"line\":2,\"column\":3}],\"path\":[\"x\"],\"extensions\":{\"code\":"
               "\"NOT_FOUND\"}}]}");
}

static void null_goes_up_to_what_may_be_null(void **state)
{
    assert_str(harness_run(*state, "{ user(id: 3) { id must } }", NULL),
               "{\"data\":{\"user\":null},\"errors\":[{\"message\":\"Cannot return null for "
               "non-nullable field User.must.\",\"locations\":[{\"line\":1,\"column\":20}],"
               "\"path\":[\"user\",\"must\"],\"extensions\":{\"code\":\"INTERNAL\"}}]}");
}

static void null_at_the_root_is_no_data(void **state)
{
    struct harness *h = *state;
    start(h, "{ a: __typename boom }");
    assert_int_equal(waiting_count, 1);
    gql_step_finish(waiting[0]);
    assert_str(buf_str(&h->out),
               "{\"data\":null,\"errors\":[{\"message\":\"Cannot return null for non-nullable "
               "field Query.boom.\",\"locations\":[{\"line\":1,\"column\":17}],\"path\":[\"boom\"],"
               "\"extensions\":{\"code\":\"INTERNAL\"}}]}");
    assert_false(h->outcome.is_request_error);
}

static void requests_that_cannot_run_have_no_data(void **state)
{
    struct harness *h = *state;
    assert_str(harness_run(h, "{ nope }", NULL),
               "{\"errors\":[{\"message\":\"Cannot query field \\\"nope\\\" on type \\\"Query\\\"."
               "\",\"locations\":[{\"line\":1,\"column\":3}],\"extensions\":{\"code\":"
               "\"GRAPHQL_VALIDATION_FAILED\"}}]}");
    assert_true(h->outcome.is_request_error);
    harness_run(h, "query A { text } query B { text }", NULL);
    assert_string_equal(h->outcome.code, "BAD_USER_INPUT");
    harness_run(h, "subscription { tick { id } }", NULL);
    assert_string_equal(h->outcome.code, "BAD_USER_INPUT");
    harness_run(h, "{", NULL);
    assert_string_equal(h->outcome.code, "GRAPHQL_PARSE_FAILED");
}

static void maps_the_errors_of_a_step(void **state)
{
    struct harness *h = *state;
    struct err e;
    start(h, "{ users { best { id } } }");
    (void)err_set(&e, ERR_UNAVAILABLE, "no database");
    gql_step_fail(waiting[0], &e);
    assert_int_equal(h->outcome.error_count, 3);
    assert_string_equal(h->outcome.code, "DATABASE_UNAVAILABLE");
    assert_true(str_find(buf_str(&h->out), STR("\"path\":[\"users\",2,\"best\"]")) > 0);
}

/* ── waiting ── */

static void waits_for_steps_in_any_order(void **state)
{
    struct harness *h = *state;
    start(h, "{ text a: user(id: 0) { best { best { name } } } z: text }");
    assert_int_equal(waiting_count, 3);
    waiting[1]->results[0] = gql_text(STR("z"));
    gql_step_finish(waiting[1]);
    waiting[2]->results[0] = gql_object(&users[1]);
    gql_step_finish(waiting[2]);
    assert_int_equal(waiting_count, 4);
    waiting[0]->results[0] = gql_text(STR("\"\\\n"));
    gql_step_finish(waiting[0]);
    assert_int_equal(h->answered, 0);
    waiting[3]->results[0] = gql_object(&users[2]);
    gql_step_finish(waiting[3]);
    assert_int_equal(h->answered, 1);
    assert_int_equal(h->ended, 1);
    assert_str(buf_str(&h->out), "{\"data\":{\"text\":\"\\\"\\\\\\n\",\"a\":{\"best\":{\"best\":"
                                 "{\"name\":\"cyd\"}}},\"z\":\"z\"}}");
}

static enum gql_next finish_at_once(struct gql_step *step)
{
    step->results[0] = gql_text(STR("now"));
    gql_step_finish(step);
    return GQL_WAIT;
}

static void a_step_may_finish_inside_its_resolver(void **state)
{
    struct harness h;
    (void)state;
    harness_schema(&h, "type Query { a: String }", NULL);
    harness_bind(&h, "Query.a", (struct gql_binding){ .resolve = finish_at_once });
    harness_ready(&h);
    assert_str(harness_run(&h, "{ a }", NULL), "{\"data\":{\"a\":\"now\"}}");
    harness_clear(&h);
}

static void cancelling_is_safe_with_steps_in_flight(void **state)
{
    struct harness *h = *state;
    struct gql_operation *op = start(h, "{ text user(id: 0) { best { id } } }");
    assert_int_equal(waiting_count, 2);
    gql_cancel(op);
    assert_int_equal(h->answered, 1);
    assert_true(h->outcome.is_cancelled);
    assert_int_equal(h->ended, 0);
    gql_step_finish(waiting[0]);
    assert_int_equal(h->ended, 0);
    waiting[1]->results[0] = gql_object(&users[1]);
    gql_step_finish(waiting[1]);
    assert_int_equal(h->ended, 1);
    assert_int_equal(h->answered, 1);
    assert_int_equal(h->out.len, 0);
}

static void a_deadline_answers_what_is_there(void **state)
{
    struct harness *h = *state;
    struct gql_operation *op = start(h, "{ text user(id: 0) { name best { id } } }");
    waiting[0]->results[0] = gql_text(STR("t"));
    gql_step_finish(waiting[0]);
    gql_expire(op, "TIMEOUT", "took too long");
    assert_str(buf_str(&h->out),
               "{\"data\":{\"text\":\"t\",\"user\":{\"name\":\"ann\",\"best\":null}},\"errors\":[{"
               "\"message\":\"took too long\",\"locations\":[{\"line\":1,\"column\":27}],\"path\":["
               "\"user\",\"best\"],\"extensions\":{\"code\":\"TIMEOUT\"}}]}");
    assert_int_equal(h->ended, 0);
    gql_expire(op, "TIMEOUT", "again");
    gql_cancel(op);
    gql_step_finish(waiting[1]);
    assert_int_equal(h->ended, 1);
    assert_int_equal(h->answered, 1);
}

/* ── mutations: section 6.2.2 ── */

static void mutations_run_one_after_another(void **state)
{
    struct harness *h = *state;
    start(h, "mutation { third first second a: third }");
    assert_string_equal(trace, "third first ");
    waiting[0]->results[0] = gql_int(1);
    gql_step_finish(waiting[0]);
    assert_string_equal(trace, "third first second third ");
    assert_str(buf_str(&h->out), "{\"data\":{\"third\":3,\"first\":1,\"second\":2,\"a\":3}}");
}

static void a_mutation_that_fails_stops_the_rest(void **state)
{
    assert_str(
        harness_run(*state, "mutation { a: third second(fail: true) third }", NULL),
        "{\"data\":null,\"errors\":[{\"message\":\"Cannot return null for non-nullable field "
        "Mutation.second.\",\"locations\":[{\"line\":1,\"column\":21}],\"path\":[\"second\"]"
        ",\"extensions\":{\"code\":\"INTERNAL\"}}]}");
    assert_string_equal(trace, "third second ");
}

static void an_expired_mutation_starts_nothing_more(void **state)
{
    struct harness *h = *state;
    struct gql_operation *op = start(h, "mutation { third first b: third }");
    gql_expire(op, "TIMEOUT", "late");
    assert_string_equal(trace, "third first ");
    assert_int_equal(h->outcome.error_count, 2);
    assert_true(str_starts_with(buf_str(&h->out),
                                STR("{\"data\":{\"third\":3,\"first\":null,\"b\":null},")));
    gql_step_finish(waiting[0]);
    assert_int_equal(h->ended, 1);
}

/* What it had written by then is taken back: a cancelled operation writes nothing. */
static void a_cancelled_mutation_leaves_nothing_behind(void **state)
{
    struct harness *h = *state;
    struct gql_operation *op = start(h, "mutation { third first b: third }");
    gql_cancel(op);
    gql_step_finish(waiting[0]);
    assert_int_equal(h->ended, 1);
    assert_int_equal(h->out.len, 0);
    assert_string_equal(trace, "third first ");
}

static void get_requests_only_query(void **state)
{
    struct harness *h = *state;
    struct gql_request request = { .document = STR("mutation { third }"), .queries_only = true };
    harness_start(h, &request);
    assert_true(h->outcome.is_request_error);
    assert_string_equal(trace, "");
}

/* ── access ── */

static void access_is_asked_for_each_parent(void **state)
{
    assert_str(harness_run(*state, "{ users { secret } }", NULL),
               "{\"data\":{\"users\":[{\"secret\":\"ann\"},{\"secret\":null},{\"secret\":null}]},"
               "\"errors\":[{\"message\":\"not yours\",\"locations\":[{\"line\":1,\"column\":11}],"
               "\"path\":[\"users\",1,\"secret\"],\"extensions\":{\"code\":\"FORBIDDEN\"}},"
               "{\"message\":\"not yours\",\"locations\":[{\"line\":1,\"column\":11}],\"path\":["
               "\"users\",2,\"secret\"],\"extensions\":{\"code\":\"FORBIDDEN\"}}]}");
}

static void a_denied_resolver_is_not_called(void **state)
{
    struct harness *h = *state;
    harness_run(h, "{ users { hidden } }", NULL);
    assert_int_equal(waiting_count, 0);
    assert_int_equal(h->outcome.error_count, 3);
}

static void input_fields_have_access_too(void **state)
{
    struct harness *h = *state;
    harness_run(h, "mutation { change(input: {name: \"x\"}) }", NULL);
    assert_int_equal(h->outcome.error_count, 0);
    assert_string_equal(trace, "change ");
    harness_run(h, "mutation ($i: Change) { change(input: $i) }", "{\"i\": {\"role\": \"x\"}}");
    assert_string_equal(h->outcome.code, "FORBIDDEN");
    assert_string_equal(trace, "change ");
}

/* ── subscriptions: section 6.2.3 ── */

static void *got_stream;

static void on_started(struct gql_operation *op, void *stream, const struct gql_outcome *outcome,
                       void *owner)
{
    struct harness *h = owner;
    (void)op;
    got_stream = stream;
    h->outcome = *outcome;
}

static enum gql_next make_stream(struct gql_step *step)
{
    step->results[0] = gql_object(&users[3]);
    return GQL_DONE;
}

static enum gql_next event_user(struct gql_step *step)
{
    step->results[0] = gql_object(step->parents[0]);
    return GQL_DONE;
}

static void events_run_the_selection(void **state)
{
    struct harness h;
    (void)state;
    harness_schema(&h,
                   "type Query { a: Int } type User { name: String } "
                   "type Subscription { tick: User broken: User }",
                   NULL);
    harness_bind(&h, "Query.a", (struct gql_binding){ .resolve = third });
    harness_bind(&h, "User.name", (struct gql_binding){ .get = get_name });
    harness_bind(&h, "Subscription.tick",
                 (struct gql_binding){ .resolve = event_user, .subscribe = make_stream });
    harness_bind(&h, "Subscription.broken",
                 (struct gql_binding){ .resolve = event_user, .subscribe = event_user });
    harness_ready(&h);
    struct gql_subscriber subscriber = { .started = on_started, .owner = &h };
    struct gql_request request = { .document = STR("subscription { t: tick { name } }") };
    struct gql_operation *op = gql_subscribe(h.engine, h.arena, &request, &h.out, &subscriber);
    assert_ptr_equal(got_stream, &users[3]);
    for (int i = 0; i < 2; i++) {
        struct gql_end end = harness_end(&h);
        buf_reset(&h.out);
        gql_event(op, h.arena, &users[i], &h.out, &end);
        assert_str(buf_str(&h.out), i ? "{\"data\":{\"t\":{\"name\":\"bob\"}}}"
                                      : "{\"data\":{\"t\":{\"name\":\"ann\"}}}");
    }
    gql_subscription_close(op);
    buf_reset(&h.out);
    request.document = STR("subscription { broken { name } }");
    op = gql_subscribe(h.engine, h.arena, &request, &h.out, &subscriber);
    assert_null(got_stream);
    assert_int_equal(h.outcome.error_count, 1);
    assert_true(str_starts_with(buf_str(&h.out), STR("{\"errors\":[")));
    gql_subscription_close(op);
    harness_clear(&h);
}

static struct gql_step *late_step;

static enum gql_next wait_for_stream(struct gql_step *step)
{
    late_step = step;
    return GQL_WAIT;
}

static void end_at_once(struct gql_operation *op, void *stream, const struct gql_outcome *outcome,
                        void *owner)
{
    (void)stream, (void)outcome;
    gql_subscription_close(op);
    arena_destroy(take(*(struct arena **)owner));
}

/* AddressSanitizer sees who still looks at it. */
static void a_subscription_may_go_while_it_is_told_that_it_began(void **state)
{
    struct harness h;
    struct err e;
    (void)state;
    harness_schema(&h,
                   "type Query { a: Int } type User { name: String } "
                   "type Subscription { tick: User }",
                   NULL);
    harness_bind(&h, "Query.a", (struct gql_binding){ .resolve = third });
    harness_bind(&h, "User.name", (struct gql_binding){ .get = get_name });
    harness_bind(&h, "Subscription.tick",
                 (struct gql_binding){ .resolve = event_user, .subscribe = wait_for_stream });
    harness_ready(&h);
    struct gql_request request = { .document = STR("subscription { tick { name } }") };
    for (int is_failure = 0; is_failure < 2; is_failure++) {
        struct arena *own = arena_create(1 << 20);
        struct gql_subscriber subscriber = { .started = end_at_once, .owner = &own };
        (void)gql_subscribe(h.engine, own, &request, &h.out, &subscriber);
        if (is_failure) {
            err_set(&e, ERR_NOT_FOUND, "there is none");
            (void)gql_step_fail(late_step, &e);
        } else {
            late_step->results[0] = gql_object(&users[3]);
            gql_step_finish(late_step);
        }
        assert_null(own);
    }
    harness_clear(&h);
}

/* ── results: section 6.4.3 ── */

static struct gql_value one_result;

static enum gql_next give_result(struct gql_step *step)
{
    step->results[0] = one_result;
    return GQL_DONE;
}

static void coerces_results(void **state)
{
    static const struct gql_value items[] = { { .kind = GQL_INT, .integer = 1 }, { 0 } };
    static const struct {
        const char *field;
        struct gql_value value;
        const char *expected;
    } cases[] = {
        { "i", { .kind = GQL_INT, .integer = INT32_MAX }, "2147483647" },
        { "i", { .kind = GQL_INT, .integer = 1LL << 31 }, NULL },
        { "i", { .kind = GQL_RAW, .text = { "12", 2 } }, "12" },
        { "i", { .kind = GQL_TEXT, .text = { "x", 1 } }, NULL },
        { "f", { .kind = GQL_FLOAT, .number = 0.1 }, "0.1" },
        { "f", { .kind = GQL_FLOAT, .number = (double)INFINITY }, NULL },
        { "s", { .kind = GQL_BOOL, .boolean = true }, "\"true\"" },
        { "id", { .kind = GQL_INT, .integer = 7 }, "\"7\"" },
        { "e", { .kind = GQL_ENUM, .text = { "A", 1 } }, "\"A\"" },
        { "e", { .kind = GQL_ENUM, .text = { "Z", 1 } }, NULL },
        { "l", { .kind = GQL_LIST, .count = 2, .items = items }, "[1,null]" },
        { "l", { .kind = GQL_INT, .integer = 1 }, NULL },
    };
    struct harness h;
    (void)state;
    harness_schema(
        &h, "enum E { A }\ntype Query { i: Int f: Float s: String id: ID e: E l: [Int] }", NULL);
    for (size_t i = 0; i < 6; i++) {
        static const char *const names[] = { "i", "f", "s", "id", "e", "l" };
        struct str coordinate = arena_printf(h.arena, "Query.%s", names[i]);
        harness_bind(&h, coordinate.ptr, (struct gql_binding){ .resolve = give_result });
    }
    harness_ready(&h);
    for (size_t i = 0; i < countof(cases); i++) {
        struct str query = arena_printf(h.arena, "{ x: %s }", cases[i].field);
        one_result = cases[i].value;
        struct str answer = harness_run(&h, query.ptr, NULL);
        struct str expected =
            cases[i].expected ? arena_printf(h.arena, "{\"data\":{\"x\":%s}}", cases[i].expected)
                              : STR("{\"data\":{\"x\":null},\"errors\":[");
        if (!str_starts_with(answer, expected))
            fail_msg("%zu: %.*s", i, STR_FMT(answer));
    }
    harness_clear(&h);
}

/* ── objects that a binding gets from their parent: nothing is stored for them ── */

static const char tree_sdl[] =
    "interface Shape { name: String! }\n"
    "type Box implements Shape { name: String! inner: Box items: [Box] all: [Box!] any: [Shape]\n"
    "  later: Box wrong: Box list: [Box] safe(n: Int! = 1): Box }\n"
    "type Dot implements Shape { name: String! x: Int }\n"
    "type Query { box: Box }";

/* `name` NULL is null where it may not be. */
struct box {
    const char *name;
    void *inner;
    void *const *items;
    uint32_t item_count;
};

static struct box leaf_box = { .name = "leaf" }, nameless_box;
static void *const some_boxes[] = { &leaf_box, NULL, &nameless_box, &leaf_box };
static struct box tree_box = {
    .name = "tree", .inner = &leaf_box, .items = some_boxes, .item_count = 4
};

static void get_tree(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret)
{
    const struct box *b = parent;
    (void)ctx;
    if (str_eq_c(f->name, "box"))
        *ret = gql_object(&tree_box);
    else if (str_eq_c(f->name, "name") && b->name)
        *ret = gql_text(str_of_c(b->name));
    else if (str_eq_c(f->name, "inner") || str_eq_c(f->name, "safe"))
        *ret = gql_object(b->inner);
    else if (str_eq_c(f->name, "items"))
        *ret = gql_objects(b->items, b->item_count);
    else if (str_eq_c(f->name, "all") || str_eq_c(f->name, "any"))
        *ret = gql_objects(b->items, 2);
    else if (str_eq_c(f->name, "wrong"))
        *ret = gql_objects(b->items, 1);
    else if (str_eq_c(f->name, "list"))
        *ret = gql_text(STR("no list"));
}

static enum gql_next no_box(struct gql_step *step)
{
    (void)step;
    return GQL_DONE;
}

static const struct gql_type *box_type;

static const struct gql_type *shape_type(const struct gql_type *abstract, void *ctx, void *object)
{
    (void)abstract;
    (void)ctx;
    return object ? box_type : NULL;
}

/* Each document without and with a field that needs a step, which stores all above it: the same
 * answer, but for that field. */
static void stores_nothing_and_answers_the_same(void **state)
{
    static const char *const documents[] = {
        "{ box { name inner { name inner { name } } %s } }",
        "{ box { items { name inner { name } } %s } }",
        "{ box { all { name } %s } }",
        "{ box { any { __typename name ... on Dot { x } } %s } }",
        "{ box { wrong { name } list { name } %s } }",
        "query ($n: Int!) { box { safe(n: $n) { name } %s } }",
        "query ($n: Int! = 2) { box { a: safe(n: $n) { name } b: safe { name } %s } }",
    };
    static const char *const nothing = ",\"later\":null";
    struct harness h;
    struct err e;
    static const struct gql_binding tree = { .get = get_tree };
    (void)state;
    harness_schema(&h, tree_sdl, &(struct gql_schema_options){ .roots_may_fall_back = true });
    harness_bind(&h, "Box.later", (struct gql_binding){ .resolve = no_box });
    box_type = gql_schema_type(h.schema, STR("Box"));
    assert_true(gql_schema_bind_type(h.schema, "Shape", shape_type, &e));
    assert_true(gql_schema_seal(h.schema, &tree, &e));
    h.engine = gql_engine_create(h.schema, &h.host, &h.limits, h.cache_bytes);
    for (size_t i = 0; i < countof(documents); i++) {
        struct str parts[2], answers[2];
        assert_true(str_cut(str_of_c(documents[i]), '%', &parts[0], &parts[1]));
        for (int with = 0; with < 2; with++) {
            struct str text =
                arena_printf(h.arena, "%.*s%s%.*s", STR_FMT(parts[0]), with ? "later { name }" : "",
                             STR_FMT(str_from(parts[1], 1)));
            answers[with] = arena_copy(h.arena, harness_run(&h, text.ptr, "{\"n\": 3}"));
        }
        ptrdiff_t at = str_find(answers[1], str_of_c(nothing));
        assert_true(at > 0);
        struct str without =
            arena_printf(h.arena, "%.*s%.*s", (int)at, answers[1].ptr,
                         STR_FMT(str_from(answers[1], (size_t)at + strlen(nothing))));
        if (!str_eq(answers[0], without))
            fail_msg("%.*s\n%.*s", STR_FMT(answers[0]), STR_FMT(answers[1]));
    }
    assert_str(
        harness_run(&h, "{ box { all { name } name } }", NULL),
        "{\"data\":{\"box\":{\"all\":null,\"name\":\"tree\"}},\"errors\":[{\"message\":\"Cannot "
        "return null for non-nullable field Box.all.\",\"locations\":[{\"line\":1,"
        "\"column\":9}],\"path\":[\"box\",\"all\",1],\"extensions\":{\"code\":"
        "\"INTERNAL\"}}]}");
    harness_clear(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_nothing_and_answers_the_same),
        cmocka_unit_test_setup_teardown(answers_in_document_order, setup, teardown),
        cmocka_unit_test_setup_teardown(merges_selections_of_one_key, setup, teardown),
        cmocka_unit_test_setup_teardown(calls_a_resolver_once_a_level, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_types_of_abstract_values, setup, teardown),
        cmocka_unit_test_setup_teardown(leaves_out_what_skip_and_include_say, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_have_path_and_place, setup, teardown),
        cmocka_unit_test_setup_teardown(null_goes_up_to_what_may_be_null, setup, teardown),
        cmocka_unit_test_setup_teardown(null_at_the_root_is_no_data, setup, teardown),
        cmocka_unit_test_setup_teardown(requests_that_cannot_run_have_no_data, setup, teardown),
        cmocka_unit_test_setup_teardown(maps_the_errors_of_a_step, setup, teardown),
        cmocka_unit_test_setup_teardown(waits_for_steps_in_any_order, setup, teardown),
        cmocka_unit_test(a_step_may_finish_inside_its_resolver),
        cmocka_unit_test_setup_teardown(cancelling_is_safe_with_steps_in_flight, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deadline_answers_what_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(mutations_run_one_after_another, setup, teardown),
        cmocka_unit_test_setup_teardown(a_mutation_that_fails_stops_the_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(an_expired_mutation_starts_nothing_more, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_mutation_leaves_nothing_behind, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(get_requests_only_query, setup, teardown),
        cmocka_unit_test_setup_teardown(access_is_asked_for_each_parent, setup, teardown),
        cmocka_unit_test_setup_teardown(a_denied_resolver_is_not_called, setup, teardown),
        cmocka_unit_test_setup_teardown(input_fields_have_access_too, setup, teardown),
        cmocka_unit_test(events_run_the_selection),
        cmocka_unit_test(a_subscription_may_go_while_it_is_told_that_it_began),
        cmocka_unit_test(coerces_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
