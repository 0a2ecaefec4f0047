#include "gateway/await_ai.h"

enum gql_next await_ai(struct gql_step *step, const char *path, struct str body, ai_answer_fn *fn)
{
    const struct request *r = await_request(step);
    const struct ai_call call = { .path = path,
                                  .body = body,
                                  .deadline_us = r->deadline_us - AWAIT_MARGIN_US,
                                  .arena = step->arena,
                                  .fn = fn,
                                  .owner = step };
    struct err e;
    return ai_client_ask(r->loop->ai, &call, NULL, &e) ? GQL_WAIT : gql_step_fail(step, &e);
}

bool await_ai_no_answer(struct err *e)
{
    return err_set_from(e, ERR_ORIGIN_AI, ERR_UNAVAILABLE,
                        "the ai service gave an answer that is none");
}
