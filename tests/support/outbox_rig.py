"""A gateway whose worker comes and goes, for tests of its outbox."""

from fake_worker import FakeWorker
from gateway_rig import BaseWorld, eventually, psql

TASK = "id type status state payload accepted source error why { code } duplicateOf { id } idempotencyKey"
CREATE = "mutation($input: CreateTaskInput!) { createTask(input: $input) { %s } }" % TASK
CREATE_ALL = "mutation($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { id accepted } }"
CREATE_JOB = "mutation($input: CreateJobInput!) { createJob(input: $input) { id name accepted status } }"
CANCEL = "mutation($id: ID!) { cancelTask(id: $id) { %s } }" % TASK
READ = "query($id: ID!) { task(id: $id) { %s } }" % TASK
READ_JOB = "query($id: ID!) { job(id: $id) { id name accepted status } }"


class World(BaseWorld):
    """A gateway with a worker of its own, in a database of its own."""

    def __init__(self, postgres, **settings):
        self.worker = FakeWorker().__enter__()
        super().__init__(postgres.tell("database"), (self.worker,), **{"WORKER_URL": self.worker.url, **settings})

    def create(self, type="email", **fields):  # pylint: disable=redefined-builtin
        return self.ask(CREATE, {"input": {"type": type, **fields}})

    def read(self, task_id):
        return self.ask(READ, {"id": task_id}).data["task"]

    def waiting(self):
        return int(psql(self.url, "SELECT count(*) FROM outbox")[0][0])

    def health(self):
        return self.ask("{ systemHealth { outboxWaiting outboxOldestAt } }").data["systemHealth"]

    def oldest(self, where="true"):
        return psql(self.url, "SELECT to_char(min(created_at) AT TIME ZONE 'UTC', "
                              f"'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM outbox WHERE {where}")[0][0]

    def sent_ids(self):
        return [t["id"] for body in self.worker.seen("/v1/tasks") for t in body["tasks"]]

    def emptied(self):
        eventually(lambda: self.waiting() == 0)
