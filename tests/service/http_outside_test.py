#!/usr/bin/env python3
"""The HTTP server against clients that others wrote: curl, wrk, and ten thousand plain sockets.

Usage: http_outside_test.py PATH-OF-http_test_server
"""
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

SERVER = sys.argv[1]
IDLE_CONNECTIONS = 10_000
IDLE_BYTES_EACH = 3 * 1024  # of the server's memory; the kernel's buffers are not its own


class Server:
    """Runs as long as the `with` block, on a free port or on the given address."""

    def __init__(self, address="127.0.0.1:0", *limits):
        self.process = subprocess.Popen([SERVER, address, *limits], stdout=subprocess.PIPE,
                                        text=True)
        self.address = self.process.stdout.readline().strip().removeprefix("listening on ")
        self.url = "http://" + self.address

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(timeout=20)
        self.process.stdout.close()

    def connect(self):
        host, port = self.address.rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=20)

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()


def run(*command, stdin=None):
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=60)
    return done.stdout, done.stderr


def curl(*arguments, stdin=None):
    return run("curl", "--silent", "--show-error", "--max-time", "20", "--noproxy", "*", *arguments,
               stdin=stdin)[0]


def expect(actual, expected):
    if actual != expected:
        raise AssertionError(f"{actual[:300]!r} is not {expected[:300]!r}")


def curl_reuses_its_connection():
    with Server() as s:
        urls = [s.url + "/hello"] * 3
        sinks = ["-o", "/dev/null"] * 3
        expect(curl("--write-out", "%{num_connects} ", *sinks, *urls), b"1 0 0 ")


def curl_gets_heads_without_bodies():
    with Server() as s:
        head = curl("--head", s.url + "/big?bytes=70000").lower()
        assert b"content-length: 70000\r\n" in head and head.endswith(b"\r\n\r\n"), head


def curl_is_told_to_continue():
    body = os.urandom(1024 * 1024)
    with Server() as s:
        out, trace = run("curl", "--silent", "--verbose", "--noproxy", "*", "--header",
                         "Expect: 100-continue", "--data-binary", "@-", s.url + "/echo",
                         stdin=body)
        expect(out, body)
        assert b"< HTTP/1.1 100 Continue" in trace, trace


def curl_sends_chunks():
    body = os.urandom(300_000)
    with Server() as s:
        expect(curl("--header", "Transfer-Encoding: chunked", "--header", "Expect:",
                    "--data-binary", "@-", s.url + "/echo", stdin=body), body)


def curl_is_refused_a_large_body():
    with Server() as s:
        status = curl("--output", "/dev/null", "--write-out", "%{http_code}", "--header", "Expect:",
                      "--data-binary", "@-", s.url + "/echo", stdin=bytes(3_000_000))
        expect(status, b"413")


def curl_reads_compressed_answers():
    with Server() as s:
        url = s.url + "/big?bytes=60000&gzip=1"
        expect(curl("--compressed", url), b"x" * 60_000)
        assert len(curl("--header", "Accept-Encoding: gzip", url)) < 2000


def curl_speaks_http10():
    with Server() as s:
        head = curl("--http1.0", "--include", s.url + "/hello")
        assert b"\r\nConnection: close\r\n" in head, head
        head = curl("--http1.0", "--include", "--header", "Connection: keep-alive", s.url + "/hello")
        assert b"\r\nConnection: keep-alive\r\n" in head, head


def curl_uses_the_unix_socket():
    with tempfile.TemporaryDirectory() as folder, Server(f"unix:{folder}/http.sock"):
        out = curl("--unix-socket", f"{folder}/http.sock", "--data", "abc", "http://any/echo")
        expect(out, b"abc")


def no_errors_in(report):
    for word in (b"Socket errors", b"Non-2xx"):
        assert word not in report, report.decode()
    assert b" requests in " in report and not b" 0 requests in " in report, report.decode()


def wrk_meets_no_error():
    with Server() as s:
        no_errors_in(run("wrk", "-t1", "-c64", "-d1s", s.url + "/hello")[0])


def wrk_meets_no_error_when_it_pipelines():
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script, Server() as s:
        script.write("""
            init = function(args)
                local r = {}
                for i = 1, 32 do
                    r[i] = i % 3 == 0 and wrk.format("POST", "/echo", nil, string.rep("x", i))
                                       or wrk.format("GET", "/hello")
                end
                all = table.concat(r)
            end
            request = function() return all end
            """)
        script.flush()
        no_errors_in(run("wrk", "-t1", "-c16", "-d1s", "-s", script.name, s.url)[0])


REQUEST = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"


def read_answer(connection):
    text = b""
    while b"\r\n\r\n" not in text or not text.endswith(b"}}"):
        piece = connection.recv(4096)
        assert piece, text
        text += piece
    return text


def thousands_of_idle_connections_cost_little():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(IDLE_CONNECTIONS, hard - 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Server() as s:
        with s.connect() as first:
            first.sendall(REQUEST)
            read_answer(first)
            before = s.resident_bytes()
            connections = []
            for _ in range(count):
                connection = s.connect()
                connection.sendall(REQUEST)
                connections.append(connection)
            for connection in connections:
                read_answer(connection)
            each = (s.resident_bytes() - before) // count
            print(f"# {count} idle connections: {each} bytes each")
            assert each <= IDLE_BYTES_EACH, f"{each} bytes each"
            first.sendall(REQUEST)
            read_answer(first)
            for connection in connections:
                connection.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def a_drain_answers_what_is_in_flight():
    with Server() as s:
        connections = [s.connect() for _ in range(20)]
        idle = s.connect()
        for connection in connections:
            connection.sendall(b"GET /slow?done HTTP/1.1\r\nHost: a\r\n\r\n")
        with s.connect() as probe:  # answered after the others were read
            probe.sendall(REQUEST)
            read_answer(probe)
        s.process.send_signal(signal.SIGTERM)
        for connection in connections:
            read = b""
            while piece := connection.recv(4096):
                read += piece
            assert read.startswith(b"HTTP/1.1 200 ") and read.endswith(b"done\n"), read
            assert b"\r\nConnection: close\r\n" in read, read
            connection.close()
        expect(idle.recv(1), b"")
        idle.close()
        assert s.process.wait(timeout=20) == 0


TESTS = [
    curl_reuses_its_connection, curl_gets_heads_without_bodies, curl_is_told_to_continue,
    curl_sends_chunks, curl_is_refused_a_large_body, curl_reads_compressed_answers,
    curl_speaks_http10, curl_uses_the_unix_socket, wrk_meets_no_error,
    wrk_meets_no_error_when_it_pipelines, thousands_of_idle_connections_cost_little,
    a_drain_answers_what_is_in_flight,
]


def main():
    failed = 0
    print(f"1..{len(TESTS)}")
    for number, test in enumerate(TESTS, 1):
        tool = test.__name__.split("_")[0]
        if tool in ("curl", "wrk") and not shutil.which(tool):
            print(f"ok {number} - {test.__name__} # SKIP {tool} is not installed")
            continue
        try:
            test()
            print(f"ok {number} - {test.__name__}", flush=True)
        except Exception as error:  # each test tells its own failure
            failed += 1
            print(f"not ok {number} - {test.__name__}")
            print(f"# {type(error).__name__}: {error}", flush=True)
    return failed != 0


sys.exit(main())
