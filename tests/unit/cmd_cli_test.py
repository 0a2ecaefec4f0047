#!/usr/bin/env python3
"""The command line of build/windlass: help, versions, settings, completions, doctor, and what it
says to those who mistype. Usage: cmd_cli_test.py PROGRAM"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

PROGRAM = os.path.abspath(sys.argv[1])
CLEAN = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


def run(*args, env=None, stdout=subprocess.PIPE):
    done = subprocess.run([PROGRAM, *args], stdout=stdout, stderr=subprocess.PIPE, text=True,
                          env={**CLEAN, **(env or {})}, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


def expect(what, actual, expected):
    assert actual == expected, f"{what}: {actual!r}, expected {expected!r}"


def commands():
    """The names in the overview, single words and pairs."""
    overview = run("--help")[1].split("Commands:\n")[1].split("\n\n")[0]
    return [re.match(r"  (\S+(?: \S+)?)  ", line).group(1) for line in overview.splitlines()]


def help_is_on_stdout_and_names_every_command():
    names = commands()
    assert {"config show", "config check", "completion", "doctor", "version"} <= set(names), names
    for args in ([], ["help"], ["--help"], ["-h"]):
        code, out, err = run(*args)
        expect(args, (code, err), (0, ""))
        assert "Usage: windlass COMMAND" in out
    for name in names:
        direct = run(*name.split(), "--help")
        expect(name, direct, run("help", *name.split()))
        expect(name, (direct[0], direct[2]), (0, ""))
        assert direct[1].startswith(f"Usage: windlass {name}"), direct[1]
        assert max(map(len, direct[1].splitlines())) <= 100, name
    expect("group", run("config", "--help")[0], 0)
    assert "config show" in run("help", "config")[1]


def mistakes_exit_2_with_a_hint_on_stderr():
    cases = [
        (["dctor"], '"dctor" is no command; did you mean `windlass doctor`?'),
        (["zzz"], '"zzz" is no command'),
        (["config"], "`windlass config` needs one of:"),
        (["config", "shw"], '`windlass config` has no command "shw", only:'),
        (["\x1b[31mzzz"], '"\ufffd[31mzzz" is no command'),
        (["config", "\x1b[31m"], '`windlass config` has no command "\ufffd[31m", only:'),
        (["version", "\x1b\nx"], '"\ufffd x": unexpected argument of `windlass version`'),
        (["config", "show", "--prot"], "--prot: unknown option; did you mean --port?"),
        (["version", "--port=1"], "--port: not an option of `windlass version`"),
        (["version", "extra"], '"extra": unexpected argument of `windlass version`'),
        (["completion"], "`windlass completion` needs 1 argument"),
        (["completion", "tcsh"], '"tcsh" is none of bash, zsh and fish'),
        (["config", "check", "--port=x"], '--port: "x" is no whole number from 0 to 65535'),
    ]
    for args, words in cases:
        code, out, err = run(*args)
        expect(args, (code, out), (2, ""))
        assert err.startswith("windlass: " + words), err


def wrong_settings_exit_78():
    code, out, err = run("config", "check", env={"PORT": "x"})
    expect("PORT=x", (code, out), (78, ""))
    expect("PORT=x", err, 'windlass: PORT: "x" is no whole number from 0 to 65535\n')
    expect("unknown", run("version", env={"WINDLASS_PRT": "1"})[0], 78)
    expect("file", run("config", "check", "--config=/nonexistent")[0], 78)
    expect("valid", run("config", "check", env={"PORT": "1"})[:2], (0, "the settings are valid\n"))


def version_is_told_in_text_and_json():
    code, text, _ = run("--version")
    expect("text", (code, text), (0, run("version")[1]))
    facts = json.loads(run("version", "--json")[1])
    assert text.startswith(f"windlass {facts['version']}\n"), text
    for name in ("commit", "date", "compiler", "libpq", "libuv", "libcurl", "openssl"):
        assert re.search(rf"^{name} +{re.escape(facts[name])}$", text, re.M), name


def config_show_tells_values_and_origins_and_masks_secrets():
    env = {"PORT": "1234", "DATABASE_URL": "postgres://me:hush@db/app"}
    shown = json.loads(run("config", "show", "--json", "--listen=::1", env=env)[1])
    expect("port", shown["port"], {"value": "1234", "source": "environment", "origin": "PORT"})
    expect("listen", shown["listen"], {"value": "::1", "source": "flag", "origin": "--listen"})
    expect("url", shown["database-url"]["value"], "postgres://me:********@db/app")
    expect("body", shown["body-limit"]["source"], "default")
    code, text, err = run("config", "show", "--listen=::1", env=env)
    expect("text", (code, err), (0, ""))
    assert re.search(r"^port +1234 +PORT$", text, re.M), text
    assert "hush" not in text


def completions_know_commands_and_options():
    for shell in ("bash", "zsh", "fish"):
        code, script, err = run("completion", shell)
        expect(shell, (code, err), (0, ""))
        assert "gateway-loops" in script and "doctor" in script
        if shutil.which(shell):
            subprocess.run([shell, "-n"], input=script, text=True, check=True)
    ask = (run("completion", "bash")[1] + "\ncompopt() { :; }\nCOMP_WORDS=(windlass $1 $2 $3)\n"
           "COMP_CWORD=$4\n_windlass\nprintf '%s\\n' \"${COMPREPLY[@]}\"")

    def complete(words, at):
        words = (words + ["", "", ""])[:3]
        done = subprocess.run(["bash", "-c", ask, "bash", *words, str(at)], capture_output=True,
                              text=True, check=True)
        return done.stdout.split()
    expect("first word", complete(["doc"], 1), ["doctor"])
    expect("second word", sorted(complete(["config", ""], 2)), ["check", "show"])
    expect("option", complete(["config", "show", "--gql-de"], 3), ["--gql-depth-max="])
    expect("operand", complete(["completion", "zs"], 2), ["zsh"])


def every_setting_is_read_by_some_code():
    source = Path(__file__).parents[2] / "src"
    options = re.findall(r"^OPTION\((\w+)", (source / "conf/options.def").read_text(), re.M)
    code = "".join(path.read_text(encoding="utf-8") for path in source.rglob("*.c")
                   if path.parent.name != "conf")
    assert len(options) > 40
    expect("dead settings", [o for o in options if not re.search(rf"\bCONF_{o}\b", code)], [])


def output_that_cannot_be_written_is_a_failure():
    with open("/dev/full", "w", encoding="ascii") as full:
        code, _, err = run("config", "show", stdout=full)
    expect("/dev/full", code, 1)
    assert "cannot write to standard output" in err, err


def descriptors_that_are_closed_are_taken_by_nothing_else():
    for redirection, program, expected in (
            (">&-", "health --url=http://127.0.0.1:1", 69), ("2>&-", "health --url=http://127.0.0.1:1", 69),
            ("<&- >&- 2>&-", "health --url=http://127.0.0.1:1", 69), (">&-", "config show", 1), ("<&-", "config show", 0)):
        done = subprocess.run(["sh", "-c", f"exec {PROGRAM} {program} {redirection}"], env=CLEAN, capture_output=True,
                              text=True, check=False, timeout=60)
        expect(f"{program} {redirection}", done.returncode, expected)
        if "2>&-" not in redirection and expected == 1:
            assert "cannot write to standard output" in done.stderr, done.stderr


def doctor(*args, env=None):
    code, out, err = run("doctor", "--json", *args, env=env)
    expect("stderr", err, "")
    report = json.loads(out)
    states = [check["state"] for check in report["checks"]]
    worst = "failure" if "failure" in states else "warning" if "warning" in states else "ok"
    expect("state", report["state"], worst)
    expect("exit code", code, {"ok": 0, "warning": 3, "failure": 1}[worst])
    for check in report["checks"]:
        expect(check, check["cure"] is None, check["state"] == "ok")
    return {check["check"]: check for check in report["checks"]}


def doctor_says_what_is_wrong_and_how_to_mend_it():
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "data")
        os.mkdir(data, 0o755)
        expect("open folder", doctor("--data", data)["data"]["state"], "warning")
        os.chmod(data, 0o700)
        expect("own folder", doctor("--data", data)["data"]["state"], "ok")
        expect("new folder", doctor("--data", data + "/a/b")["data"]["state"], "ok")
        path = os.path.join(folder, "file")
        with open(path, "w", encoding="ascii") as file:
            file.write("database-url = postgres://me:hush@127.0.0.1:1/app\n")
        expect("file for folder", doctor("--data", path)["data"]["state"], "failure")
        os.chmod(path, 0o644)
        found = doctor("--config", path)["settings"]
        expect("secret in an open file", found["state"], "warning")
        assert "database-url" in found["detail"] and "hush" not in found["detail"]
        os.chmod(path, 0o600)
        found = doctor("--config", path)
        expect("secret in a private file", found["settings"]["state"], "ok")
        assert "data" not in found, "without a cluster of its own it keeps no data"
    expect("full disk", doctor("--data", "/proc/nonexistent")["disk"]["state"], "failure")
    expect("open to all", doctor("--listen", "0.0.0.0")["settings"]["state"], "warning")
    expect("open in development", doctor("--listen", "0.0.0.0", "--env=development")["settings"]
           ["state"], "ok")
    expect("too many", doctor("--connections-max", "1000000")["limits"]["state"], "warning")
    expect("no such address", doctor("--listen", "192.0.2.1")["port"]["state"], "failure")


def doctor_tells_a_taken_port_from_ones_own():
    for answer, state in ((b"HTTP/1.1 200 OK\r\n\r\nhello", "failure"),
                          (b'HTTP/1.1 200 OK\r\n\r\n{"commit":"1","libpq":"15"}', "ok")):
        with socket.create_server(("127.0.0.1", 0)) as server:
            def serve(listener=server, text=answer):
                client = listener.accept()[0]
                client.recv(4096)
                client.sendall(text)
                client.close()
            thread = threading.Thread(target=serve)
            thread.start()
            found = doctor("--port", str(server.getsockname()[1]))["port"]
            thread.join()
            expect(answer, found["state"], state)


def what_the_api_lacks_of_a_contract_is_listed():
    api = Path(__file__).parent / "../../src/gateway/api.graphql"
    expect("own", run("gql", "missing", str(api)), (0, "", ""))
    with tempfile.TemporaryDirectory() as folder:
        contract = Path(folder) / "contract.graphql"
        text = api.read_text(encoding="utf-8")
        contract.write_text(text.replace("type Query {", "type Query {\n  moon(phase: Int): Moon") +
                            "\ntype Moon { phase: Int }\n", encoding="utf-8")
        expect("more", run("gql", "missing", str(contract)), (1, "missing Query.moon\nmissing Moon\n", ""))
        contract.write_text("type Query { me: Int }", encoding="utf-8")
        expect("other", run("gql", "missing", str(contract)),
               (1, "differs Query.me: User, not Int\ndiffers Query.me: @access(role: ANYONE), not no @access\n", ""))
        contract.write_text("type Query { me: Nobody }", encoding="utf-8")
        code, out, err = run("gql", "missing", str(contract))
        assert (code, out) == (2, "") and "contract.graphql: line 1: " in err and "Nobody" in err, err
        code, out, err = run("gql", "missing", folder + "/none")
        assert (code, out) == (2, "") and "none" in err, err
    expect("operand", run("gql", "missing")[0], 2)


def main():
    tests = [help_is_on_stdout_and_names_every_command, mistakes_exit_2_with_a_hint_on_stderr,
             wrong_settings_exit_78, version_is_told_in_text_and_json,
             config_show_tells_values_and_origins_and_masks_secrets,
             completions_know_commands_and_options, what_the_api_lacks_of_a_contract_is_listed,
             every_setting_is_read_by_some_code, output_that_cannot_be_written_is_a_failure,
             descriptors_that_are_closed_are_taken_by_nothing_else,
             doctor_says_what_is_wrong_and_how_to_mend_it, doctor_tells_a_taken_port_from_ones_own]
    print(f"1..{len(tests)}")
    failed = 0
    for number, test in enumerate(tests, 1):
        try:
            test()
            print(f"ok {number} - {test.__name__}")
        except (AssertionError, KeyError, ValueError, subprocess.SubprocessError) as problem:
            failed += 1
            print(f"not ok {number} - {test.__name__}\n# {problem!r}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
