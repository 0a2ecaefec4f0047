/*
 * runner_read: any bytes, as an answer of the worker and as a payload of every built-in type: read
 * within bounds or refused, and what is refused is told in text that JSON can carry.
 */
#include "json/writer.h"
#include "payload/payload.h"
#include "runner/acks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_as_answer(struct str text)
{
    scoped(arena_destroyp) struct arena *a = arena_create(4 << 20);
    struct wire_answer answer;
    struct wire_session session;
    struct err e;
    if (wire_read_answer(a, text, &answer, &e)) {
        for (size_t i = 0; i < answer.lease_count; i++)
            assert(answer.leases[i].task.len > 0 && answer.leases[i].fence.len > 0 &&
                   answer.leases[i].payload != NULL);
    } else {
        assert(e.code == ERR_INVALID || e.code == ERR_LIMIT);
    }
    if (wire_read_session(a, text, &session, &e))
        assert(session.id.len == 36 && session.ttl_ms > 0 && session.heartbeat_ms > 0);
    (void)wire_read_error(a, text);
}

/* The error of a payload becomes an acknowledgement: valid UTF-8 within its bound. */
static void tell(const struct err *e)
{
    struct acks acks;
    struct buf text;
    acks_init(&acks);
    buf_init(&text, 0);
    struct json_writer w = json_writer_to(&text);
    acks_add(&acks, &(struct ack){ .task = STR("t"),
                                   .fence = STR("f"),
                                   .outcome = ACK_FATAL,
                                   .error = str_of_c(e->message) });
    acks_take(&acks, ACK_ON_ACKS, &w);
    assert(str_is_utf8(buf_str(&text)));
    acks_clear(&acks);
    buf_clear(&text);
}

static void read_as_payload(struct str text)
{
    scoped(arena_destroyp) struct arena *a = arena_create(16 << 20);
    const struct json_value *payload;
    struct err e;
    if (!json_parse(a, text, &payload, &e))
        return;
    for (size_t i = 0; i < PAYLOAD_SCHEMA_COUNT; i++) {
        const void *input;
        if (!payload_schemas[i]->read(a, payload, &input, &e)) {
            assert(e.code == ERR_INVALID && e.message[0] == '$');
            tell(&e);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of((const char *)data, size);
    read_as_answer(text);
    read_as_payload(text);
    return 0;
}
