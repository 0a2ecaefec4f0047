/* doctor: what `windlass doctor` checks beside doctor/doctor.h, in the order of its report. */
#pragma once
#include "doctor/doctor.h"

void doctor_check_port(struct doctor *d);
/* PostgreSQL's programs where a private cluster needs them, then the server. `*ret_run` becomes the
 * folder of the running cluster's sockets, where one runs. */
void doctor_check_database(struct doctor *d, const char **ret_run);
/* Worker, ai and runner, where they run. `run` NULL: not known. */
void doctor_check_services(struct doctor *d, const char *run);
/* Has the copies of tasks and jobs compared with the worker's, by the gateway, and mended. */
void doctor_check_mirror(struct doctor *d);
