"""The peers' queues: their own bench, built where its folder is at hand, and the PostgreSQL they share with us."""
import json
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

PEER_SOURCE = Path(os.environ.get("WINDLASS_PEERS",
                                  Path(__file__).resolve().parents[3] / "shared/peers/queue"))


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class PeerRedis:
    """For BullMQ, which is durable where each command is flushed. Nothing where there is no redis-server: `port` is None."""

    def __init__(self):
        self.port = self.process = None
        if shutil.which("redis-server") is None:
            print("  no redis-server: without BullMQ")
            return
        self.folder, self.port = tempfile.TemporaryDirectory(prefix="windlass-redis-"), free_port()
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder.name, "--appendonly", "yes",
             "--appendfsync", "always", "--save", "", "--maxmemory-policy", "noeviction"], stdout=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.folder.cleanup()


class PeerServer:
    """PostgreSQL for the peers: fsync on, the defaults but for its shared buffers."""

    PROGRAMS = Path("/usr/lib/postgresql/15/bin")
    SETTINGS = "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{folder}'\n" \
               "max_connections = 300\nshared_buffers = 1GB\n"

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="windlass-peers-"))
        self.port = free_port()
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")

    def pid(self):
        return int((self.folder / "data/postmaster.pid").read_text().split()[0])

    def run(self, program, *arguments):
        command = [str(self.PROGRAMS / program), "-D", str(self.folder / "data"), *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        subprocess.run(command, check=True, cwd=self.folder, stdout=subprocess.DEVNULL)

    def __enter__(self):
        self.run("initdb", "-U", "bench", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8")
        with open(self.folder / "data/postgresql.conf", "a", encoding="utf-8") as file:
            file.write(self.SETTINGS.format(port=self.port, folder=self.folder))
        self.run("pg_ctl", "-w", "-s", "-l", str(self.folder / "log"), "start")
        return self

    def __exit__(self, *_):
        self.run("pg_ctl", "-w", "-s", "-m", "fast", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)


def build_peers(home, env):
    if (home / "drivers/river/riverbench").exists():
        return
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(PEER_SOURCE, home)
    subprocess.run(["chmod", "-R", "u+w", str(home)], check=True)
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=home, check=True,
                   env=env)
    subprocess.run(["go", "build", "-o", "riverbench", "."], cwd=home / "drivers/river", check=True,
                   env=env)


def run_peer(home, env, peer, test, *arguments):
    """What its bench prints; {"error": …} where it cannot run."""
    line = subprocess.run([str(home / "bench"), peer, test, *arguments], env=env, cwd=home,
                          stdout=subprocess.PIPE, text=True).stdout.strip()
    row = json.loads(line.splitlines()[-1]) if line else {"error": "no answer"}
    if "error" in row:
        print(f"  peer {peer} {test}: {row['error']}")
    return row
