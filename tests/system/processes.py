"""An installation of separate processes, as on several machines: PostgreSQL, a worker, a runner, ai and two gateways,
with a way that can lie to the worker and to ai; and a load whose acknowledgements are kept."""
import http.client
import json
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../support"), os.path.join(HERE, "../service")]
os.environ.setdefault("WINDLASS_TEST_PG_RUN",
                      os.path.join(os.path.dirname(os.path.abspath(sys.argv[1])), "tests/support/pg_run"))
from gateway_ai_test import Ai  # noqa: E402
from gateway_rig import Client, Gateway, Postgres, eventually, reaches, run_tests  # noqa: E402
from harness import Crowd  # noqa: E402
from runner_rig import Runner  # noqa: E402
from way import Way  # noqa: E402
from worker_rig import GATEWAY_TOKEN, RUNNER_TOKEN, Worker, sql  # noqa: E402

# Short, so that what they bound is seen; what is acknowledged does not depend on them.
SETTINGS = {"WORKER_CREATE_TIMEOUT": "1s", "WORKER_CHANGE_TIMEOUT": "2s", "REQUEST_TIMEOUT": "4s", "AI_TIMEOUT": "1s",
            "FEED_LAG_MAX": "1s", "BREAKER_OPEN_MAX": "500ms", "CHAT_LIMIT": "10000",
            "LOG_LEVEL": "info"}
SESSION_TTL = "1s"
CREATE = ("mutation($payload: JSON) { createTask(input: { type: \"noop\", payload: $payload }) "
          "{ id accepted source } }")
HEALTH = ("{ systemHealth { status outboxWaiting outboxOldestAt services { name status detail since breaker "
          "breakerSince } } }")


class Installation:
    def __init__(self, postgres):
        self.postgres, self.url = postgres, postgres.url
        self.worker = self.start_worker()
        self.ai = self.start_ai()
        self.to_worker = Way(lambda: self.worker.port)
        self.to_ai = Way(lambda: int(self.ai.url.rpartition(":")[2]))
        self.runner = self.start_runner()
        self.gateways = [self.start_gateway()]
        self.admin = self.gateways[0].set_up()
        self.gateways.append(self.start_gateway())
        self.settle()

    def start_worker(self, **more):
        return Worker(self.url, WORKER_LEASE="1s", SESSION_TTL=SESSION_TTL, **more)

    def start_ai(self):
        return Ai(GATEWAY_TOKEN)

    def start_runner(self):
        return Runner(f"http://127.0.0.1:{self.worker.port}", RUNNER_TOKEN=RUNNER_TOKEN, LOG_LEVEL="info")

    def start_gateway(self):
        return Gateway(self.url, WORKER_URL=self.to_worker.url, AI_URL=self.to_ai.url, GATEWAY_TOKEN=GATEWAY_TOKEN, **SETTINGS)

    @property
    def gateway(self):
        return self.gateways[0]

    def restart_worker(self):
        """Where the killed one was: the runner knows but that address."""
        port = self.worker.port
        self.worker.process.wait()
        self.worker = self.start_worker(WORKER_PORT=str(port))

    def ask(self, query, variables=None, gateway=None):
        return (gateway or self.gateway).graphql(query, variables, self.admin)

    def create_answer(self, gateway=None, payload=None):
        return self.ask(CREATE, {"payload": payload}, gateway)

    def create(self, payload=None, gateway=None):
        return self.create_answer(gateway, payload).data["createTask"]

    def read(self, task, gateway=None):
        answer = self.ask("query($id: ID!) { task(id: $id) { id status accepted source attempt } }", {"id": task}, gateway)
        return answer.data["task"]

    def health(self, gateway=None):
        health = self.ask(HEALTH, gateway=gateway).data["systemHealth"]
        return health, {part["name"]: part for part in health["services"]}

    def is_well(self):
        for gateway in self.gateways:
            health, parts = self.health(gateway)
            if health["status"] != "UP" or health["outboxWaiting"] or parts["worker"]["breaker"] != "CLOSED":
                return False
        return True

    def settle(self):
        """Until all is as it was before the fault."""
        eventually(self.is_well)
        task = self.create()
        assert task["accepted"], task
        eventually(lambda: self.read(task["id"])["source"] == "LIVE")

    def all_done(self, tasks):
        """Each acknowledged task is there, was taken by the worker, and was carried out."""
        ids = ",".join(f"'{task}'" for task in tasks)
        assert tasks, "nothing was acknowledged, so nothing is proved"
        done = (f"SELECT count(*) FROM tasks WHERE id IN ({ids}) AND accepted AND status = 'completed' AND version > 0")
        try:
            reaches(lambda: int(sql(self.url, done)), len(set(tasks)))
        except AssertionError:
            print("# not done:", sql(self.url, "SELECT id, status, state, accepted, version, attempt, error FROM tasks "
                                     f"WHERE id IN ({ids}) AND NOT (accepted AND status = 'completed') LIMIT 5"))
            raise
        told = f"SELECT count(*) FROM worker.task_done WHERE id IN ({ids}) AND error IS NULL"
        assert int(sql(self.url, told)) == len(set(tasks))

    def end(self):
        for way in (self.to_worker, self.to_ai):
            way.end()
        for process in (*self.gateways, self.runner, self.worker, self.ai):
            process.process.send_signal(signal.SIGCONT)
        for process in (*self.gateways, self.runner, self.worker, self.ai):
            process.__exit__(None, None, None)  # it ends well

    def tell_logs(self):
        for name, process in (("gateway", self.gateways[0]), ("gateway 2", self.gateways[1]), ("worker", self.worker)):
            for line in [l for l in process.log.splitlines() if "http.request" not in l and "schema." not in l][-15:]:
                print(f"# {name}: {line}")


class Load(Crowd):
    """Threads that create tasks, and names of tokens, through both gateways until they are stopped. `tasks` and
    `tokens` were acknowledged; `codes` is what the others were told."""

    TOKEN = "mutation($name: String!) { createApiToken(name: $name, role: VIEWER) { apiToken { id } } }"

    def __init__(self, world, payload=None, count=4):
        super().__init__(count)
        self.world, self.payload = world, payload
        self.tasks, self.tokens, self.kept, self.codes = [], [], 0, set()

    def run(self, n):
        client, number = None, 0
        while not self.is_over.is_set():
            number += 1
            time.sleep(0.01)  # a load, not a flood
            try:
                client = client or Client(self.world.gateways[n % 2], self.world.admin)
                if number % 4:
                    self.note_task(client.graphql(CREATE, {"payload": self.payload}))
                else:
                    name = f"load {id(self)} {n} {number}"
                    self.note_token(client.graphql(self.TOKEN, {"name": name}), name)
            except (OSError, http.client.HTTPException, json.JSONDecodeError):
                client = None  # the connection broke: nothing was acknowledged
                time.sleep(0.02)

    def note_task(self, answer):
        if answer.code != "ok":
            self.codes.add(answer.code)
            return
        self.kept += not answer.data["createTask"]["accepted"]
        self.tasks.append(answer.data["createTask"]["id"])

    def note_token(self, answer, name):
        if answer.code == "ok":
            self.tokens.append(name)
        else:
            self.codes.add(answer.code)

    def grow(self, more=20):
        """Until so many more were acknowledged."""
        tasks, tokens = len(self.tasks) + more, len(self.tokens) + more // 4
        reaches(lambda: len(self.tasks), tasks)
        reaches(lambda: len(self.tokens), tokens)

    def assert_kept(self):
        self.world.all_done(self.tasks)
        names = set(sql(self.world.url, "SELECT name FROM api_tokens").splitlines())
        missing = set(self.tokens) - names
        assert not missing, f"acknowledged and lost: {sorted(missing)[:5]}"


def run_installed(tests, *settings, shim=None):
    """TAP over one installation; each test leaves it whole. A test named in the arguments runs alone."""
    wanted = [test for test in tests if not sys.argv[2:] or test.__name__ in sys.argv[2:]]
    with Postgres(*settings, more=shim.environment if shim else ()) as postgres:
        world = Installation(postgres)
        world.shim = shim

        def mended(test):
            def run():
                try:
                    test(world)
                    world.settle()
                except BaseException:
                    world.tell_logs()
                    raise
            run.__name__ = test.__name__
            return run
        try:
            run_tests([mended(test) for test in wanted])
        finally:
            world.end()
