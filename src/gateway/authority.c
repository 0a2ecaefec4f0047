#include "gateway/authority.h"

#include "gateway/request.h"

struct question {
    struct gql_step *step;
    struct credential_wait wait;
    bool is_asking; /* request_ask_credential has not returned */
    enum gql_next next;
};

static enum gql_next run_own(struct gql_step *step)
{
    const struct gateway_binding *own = step->field->data;
    return gql_step_is_allowed(step) ? own->binding.resolve(step) : GQL_DONE;
}

static enum gql_next go_on(struct gql_step *step, const struct credential *c, const struct err *e)
{
    struct request *r = step->ctx;
    if (e != NULL)
        return gql_step_fail(step, e);
    if (c != NULL)
        credential_ref(c);
    credential_unref(r->credential);
    r->credential = c;
    return run_own(step);
}

static void answered(void *owner, const struct credential *c, const struct err *e)
{
    struct question *question = owner;
    const struct request *r = question->step->ctx;
    if (question->is_asking)
        question->next = go_on(question->step, c, e);
    else if (r->is_answered) /* the client went away, or its time is over */
        gql_step_finish(question->step);
    else
        (void)go_on(question->step, c, e);
}

static enum gql_next resolve(struct gql_step *step)
{
    struct request *r = step->ctx;
    struct question *question = arena_new(step->arena, struct question);
    if (str_is_empty(r->token))
        return run_own(step);
    *question = (struct question){ .step = step, .is_asking = true, .next = GQL_WAIT };
    question->wait = (struct credential_wait){ .fn = answered,
                                               .owner = question,
                                               .deadline_us = r->deadline_us };
    request_ask_credential(r, &question->wait);
    question->is_asking = false;
    return question->next;
}

struct gql_binding authority_first(const struct gateway_binding *own)
{
    struct gql_binding binding = own->binding;
    assert(binding.resolve != NULL);
    assert(binding.data == NULL);
    binding.resolve = resolve;
    binding.data = (void *)(uintptr_t)own;
    return binding;
}
