#include "ai/ai_priv.h"
#include "ai/problem.h"

void ai_handle_chat(void *owner, struct http_request *r)
{
    struct err e;
    if (!ai_admit(owner, r, AI_ROUTE_CHAT))
        return;
    err_set(&e, ERR_UNAVAILABLE, "chat is not served");
    problem_respond(r, &e);
}

void ai_abandon_chats(struct ai *ai)
{
    (void)ai;
}
