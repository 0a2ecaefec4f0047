"""What hurts: each gives what it found wrong by itself, or None."""

import os
import signal
import time

from actors import TTL_MS
from gateway_rig import eventually
from worker_rig import sql

WORKERS = 2
LOSS = 0.03          # of requests, that something happens to
LOSS_BAD = 0.4       # the same while the network is bad
AHEAD_MAX_S = 3 * 3600  # how far a wall clock is made wrong, either way
JUMPS_S = (2, 60, 1800, AHEAD_MAX_S)  # seconds to hours


# ── processes ──

def kill_leader(world):
    world.replace_worker(world.leader(), signal.SIGKILL)


def kill_standby(world):
    world.replace_worker((world.leader() + 1) % WORKERS, signal.SIGKILL)


def kill_both(world):
    for index in range(WORKERS):
        world.replace_worker(index, signal.SIGKILL)


def stop_leader(world):
    code = world.replace_worker(world.leader(), signal.SIGTERM)
    return f"SIGTERM ended it with {code}" if code != 0 else None


def hang_leader(world):
    """Mostly longer than its lease: when it wakes another leads, and it must not commit."""
    process = world.workers[world.leader()].process
    process.send_signal(signal.SIGSTOP)
    time.sleep(world.dice.uniform(0.5, 3))
    process.send_signal(signal.SIGCONT)


def kill_runner(world):
    world.runner.process.kill()
    world.runner.process.wait()
    world.runner = world.start_runner()


def hang_runner(world):
    world.runner.process.send_signal(signal.SIGSTOP)
    time.sleep(TTL_MS / 1000 * world.dice.uniform(0.5, 1.5))
    world.runner.process.send_signal(signal.SIGCONT)


# ── PostgreSQL and its disk ──

def kill_postgres(world):
    world.postgres.tell("kill")
    world.database_clock.stall(False)
    world.postgres.tell("launch")
    world.postgres.tell("wait")


def kill_backend(world):
    """PostgreSQL then ends all others, too, and recovers."""
    pids = sql(world.url, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' "
                          "AND pid <> pg_backend_pid()").split()
    if pids:
        os.kill(int(world.dice.choice(sorted(pids))), signal.SIGKILL)
    eventually(lambda: can_connect(world))


def can_connect(world):
    try:
        return sql(world.url, "SELECT 1") == "1"
    except AssertionError:
        return False


def hang_postgres(world):
    """All of its processes: nothing is answered."""
    world.postgres.tell("suspend")
    time.sleep(world.dice.uniform(0.2, 3))
    world.postgres.tell("resume")


def stall_disk(world):
    """No commit ends, while what is in memory is read and the lease, which needs no disk, is renewed."""
    world.database_clock.stall(True)
    time.sleep(world.dice.uniform(0.2, 3))
    world.database_clock.stall(False)


def stall_disk_and_kill_leader(world):
    """What it had sent commits when the disk is back, when another may lead."""
    world.database_clock.stall(True)
    time.sleep(world.dice.uniform(0, 1))
    kill_leader(world)
    time.sleep(world.dice.uniform(0, 2))
    world.database_clock.stall(False)


def stall_disk_and_kill_postgres(world):
    """What nobody was told of is gone."""
    world.database_clock.stall(True)
    time.sleep(world.dice.uniform(0.1, 1))
    kill_postgres(world)


# ── the network ──

def lose_commits(world):
    world.database.plan += [world.dice.choice(["lose", "cut", "pass"]) for _ in range(world.dice.randint(1, 4))]
    time.sleep(0.5)


def bad_network(world):
    world.network.loss = LOSS_BAD
    time.sleep(world.dice.uniform(0.5, 2))
    world.network.loss = LOSS


# ── wall clocks, which are set forward and back ──

def jump(world, clock):
    """By a little or by hours, and never further from the truth than AHEAD_MAX_S."""
    step_s = world.dice.choice(JUMPS_S) * world.dice.choice([-1, 1]) * world.dice.uniform(0.5, 1)
    ahead_s = max(-AHEAD_MAX_S, min(AHEAD_MAX_S, clock.ahead_s + step_s))
    world.history.count("jumps forward" if ahead_s > clock.ahead_s else "jumps back")
    clock.ahead_s = ahead_s


def jump_worker(world):
    """The leader's, and its successor is at another time."""
    index = world.leader()
    jump(world, world.worker_clocks[index])
    ahead_s = world.worker_clocks[index].ahead_s
    answer = world.caller_of(index).get("/v1/feed")
    told_s = answer.json["now_us" if answer.status == 200 else "server_time_us"] / 1e6
    if abs(told_s - time.time() - ahead_s) > 60:
        return f"its clock is {told_s - time.time():.0f} s ahead, it should be {ahead_s:.0f}"
    return None


def jump_standby_and_kill_leader(world):
    jump(world, world.worker_clocks[(world.leader() + 1) % WORKERS])
    kill_leader(world)


def jump_postgres(world):
    """The lease is by its clock."""
    jump(world, world.database_clock)
    ahead_s = float(sql(world.url, "SELECT extract(epoch FROM clock_timestamp())")) - time.time()
    if abs(ahead_s - world.database_clock.ahead_s) > 60:
        return f"its clock is {ahead_s:.0f} s ahead, it should be {world.database_clock.ahead_s:.0f}"
    return None


def jump_postgres_and_kill_leader(world):
    jump(world, world.database_clock)
    kill_leader(world)


def jump_runner(world):
    jump(world, world.runner_clock)


FAULTS = [kill_leader, kill_leader, kill_standby, kill_both, stop_leader, hang_leader, hang_leader, kill_runner,
          hang_runner, kill_postgres, kill_backend, hang_postgres, stall_disk, stall_disk_and_kill_leader,
          stall_disk_and_kill_postgres, lose_commits, lose_commits, bad_network, jump_worker, jump_worker,
          jump_standby_and_kill_leader, jump_postgres, jump_postgres_and_kill_leader, jump_runner]
