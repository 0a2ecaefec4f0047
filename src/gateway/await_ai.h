/* await_ai: how a resolver waits for the ai service; see await.h. */
#pragma once
#include "gateway/ai_client.h"
#include "gateway/await.h"

/* Asks it within the request's deadline; `fn`, whose owner is the step, also hears of failures. */
enum gql_next await_ai(struct gql_step *step, const char *path, struct str body, ai_answer_fn *fn);
/* Always false: what it said is no answer to what was asked. */
bool await_ai_no_answer(struct err *e);
