/*
 * audited: the end of a mutation that another service has carried out: its row in the audit log is
 * on the disk before the answer goes.
 */
#pragma once
#include "gateway/await.h"

/* step->results[0] holds the answer. `detail` is JSON; ptr NULL: none. Where the row could not be
 * written, the step fails and says that the change was made all the same. */
void audited_finish(struct gql_step *step, const char *action, struct str subject,
                    struct str detail);
/* What was done before it broke off, as `why` says, with which the step fails then, whether or not
 * the row could be written. */
enum gql_next audited_fail(struct gql_step *step, const char *action, struct str subject,
                           struct str detail, const struct err *why);
