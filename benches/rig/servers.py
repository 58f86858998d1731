"""Starts the servers that are measured, each in a folder of its own, and stops them by their ids."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from .machine import ROOT, SERVER_CORE, find, pinned, say

TOKEN = "glpat-bench"
PATIENCE_SECONDS = 20


class Server:
    """A process, and where it answers."""

    def __init__(self, process: subprocess.Popen, address: str, worker: int | None = None):
        self.process = process
        self.url = f"http://{address}"
        self.pid = worker or process.pid

    def cpu_seconds(self) -> float:
        """What the process that does the work has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self, what: str = "VmRSS") -> int:
        status = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(what))


class Servers(contextlib.ExitStack):
    """Everything that was started, in one folder; all of it goes at the end."""

    def __init__(self, keep: bool):
        super().__init__()
        self.postgres_url = ""
        self.folder = Path(tempfile.mkdtemp(prefix="bench-", dir=ROOT / "target"))
        if keep:
            say(f"logs are kept in {self.folder}")
        else:
            self.callback(shutil.rmtree, self.folder)

    def start(self, command: list[str], log: str, core: str | None = SERVER_CORE, **more) -> subprocess.Popen:
        file = self.enter_context((self.folder / log).open("ab"))
        command = pinned(core, command) if core else command
        more = {"stderr": file, "stdin": subprocess.DEVNULL, "text": True, **more}
        process = subprocess.Popen(command, **more)
        self.callback(stop, process)
        return process

    def gateway(self, program: Path, name: str = "gateway", core: str | None = SERVER_CORE,
                settings: dict[str, str] | None = None, before: tuple[str, ...] = (), unread: bool = False) -> Server:
        """The gateway as it is when nothing is set: SQLite, a directory, a log line a request. Commands
        `before` it end in becoming it. An `unread` log goes to a pipe that nobody reads once it listens."""
        home = self.folder / name
        home.mkdir(exist_ok=True)
        environment = {
            **os.environ, "ARTIGATE_SERVER__LISTEN": "127.0.0.1:0",
            "ARTIGATE_LIMITS__MAX_ARTIFACT_SIZE": "0", **(settings or {}),
        }
        log = f"{name}-{secrets.token_hex(4)}.log"
        more = {"stderr": subprocess.PIPE} if unread else {}
        process = self.start([*before, str(program), "serve"], log, core, cwd=home, env=environment, **more)
        if unread:
            addresses = (between(line, "listening on http://") for line in process.stderr)
            return Server(process, wait_for(lambda: next(addresses, None), process))
        return Server(process, wait_for(lambda: between((self.folder / log).read_text(), "listening on http://"), process))

    def nginx(self, root: Path) -> Server:
        """One worker with sendfile; no access log, so that it is as fast as it gets."""
        home = self.folder / "nginx"
        home.mkdir()
        port = free_port()
        temporary = "\n".join(
            f"{kind}_temp_path {home}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (home / "nginx.conf").write_text(f"""
            {"user root;" if os.geteuid() == 0 else ""}
            daemon off; pid {home}/pid; error_log stderr warn; worker_processes 1;
            events {{ worker_connections 4096; }}
            http {{
                access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
                {temporary}
                server {{ listen 127.0.0.1:{port}; root {root}; }}
            }}""")
        process = self.start([find("nginx"), "-p", str(home), "-c", str(home / "nginx.conf")], "nginx.log")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        worker = wait_for(lambda: children.read_text().split(), process)
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/"), process)
        return Server(process, f"127.0.0.1:{port}", int(worker[0]))

    def printing(self, command: list[str], log: str) -> Server:
        """A server whose first line of output is its address."""
        process = self.start(command, log, stdout=subprocess.PIPE)
        return Server(process, process.stdout.readline().strip())

    def postgres(self, database: str) -> str:
        """A database on a PostgreSQL of our own, which has both cores; returns its URL."""
        if not self.postgres_url:
            self.postgres_url = self.start_postgres()
        create = f'CREATE DATABASE "{database}"'
        subprocess.run([find("psql"), "-q", f"{self.postgres_url}/postgres", "-c", create], check=True)
        return f"{self.postgres_url}/{database}"

    def start_postgres(self) -> str:
        home = self.folder / "postgres"
        home.mkdir()
        as_owner = []
        if os.geteuid() == 0:
            # It refuses to run as root.
            os.chmod(self.folder, 0o755)
            subprocess.run(["chown", "postgres:", str(home)], check=True)
            as_owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        data, port = str(home / "data"), free_port()
        subprocess.run([*as_owner, find("initdb"), "--pgdata", data, "--username=postgres", "--auth=trust",
                        "--encoding=UTF8", "--locale=C", "--no-sync"], check=True, stdout=subprocess.DEVNULL, cwd=home)
        # The socket would need a shorter path than this folder may have.
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "",
                    "max_connections": 100, "shared_buffers": "512MB", "max_wal_size": "4GB", "fsync": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [*as_owner, find("postgres"), "-D", data, *options]
        process = self.start(command, "postgres.log", core=None, cwd=home)
        ready = [find("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        wait_for(lambda: subprocess.run(ready).returncode == 0, process)
        return f"postgres://postgres@127.0.0.1:{port}"

    def stop(self, server: Server) -> None:
        """Stops one before the end."""
        stop(server.process)


def stop(process: subprocess.Popen) -> None:
    # PostgreSQL would wait for its clients; its data is deleted at the end.
    process.send_signal(signal.SIGINT if "postgres" in str(process.args) else signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for(question, process: subprocess.Popen):
    """Asks until there is an answer, as long as the process lives."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if answer := question():
            return answer
        time.sleep(0.02)
    raise SystemExit(f"{process.args} did not start; its log is in the folder that --keep keeps")


def between(text: str, mark: str) -> str | None:
    return text.split(mark, 1)[1].split()[0] if mark in text else None


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=1).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def load(program: Path, home: Path, document: dict, settings: dict[str, str] | None = None) -> None:
    """Loads a registry document into the gateway whose folder is `home`."""
    home.mkdir(exist_ok=True)
    file = home / "registry.json"
    file.write_text(json.dumps(document))
    subprocess.run([str(program), "--log", "warn", "load", str(file)], check=True, cwd=home,
                   env={**os.environ, **(settings or {})})


def registry(archives: dict[int, Path], uploads: int = 0) -> dict:
    """One private project whose jobs have the archives, and jobs that run and wait for one."""
    jobs = [
        {"id": id, "name": f"job {id}", "status": "success", "artifacts": [{"file": str(path)}]}
        for id, path in archives.items()
    ]
    jobs += [{"id": 5000 + n, "name": f"upload {n}", "status": "running", "token": f"glcbt-{n}"} for n in range(uploads)]
    pipeline = {"id": 100, "ref": "main", "sha": "0ff3ae1", "status": "success", "user": "alice", "jobs": jobs}
    return {
        "users": [{"id": 1, "username": "alice", "tokens": [{"value": TOKEN, "scopes": ["read_api"]}]}],
        "projects": [{"id": 1, "path": "group/site", "members": {"alice": "developer"}, "pipelines": [pipeline]}],
    }
