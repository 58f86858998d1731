"""Uploads and finds artifacts as GitHub's toolkit does: in blocks, several at a time, with the token of a job."""

import base64
import hashlib
import http.client
import json
import mmap
import os
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .machine import LOAD_CORE
from .servers import Server

BLOCK_BYTES = 8 << 20
AT_A_TIME = 8
METHODS = "/twirp/github.actions.results.api.v1.ArtifactService/"


class Content:
    """A file that is uploaded, and its digests, which a client knows before it asks for the end."""

    def __init__(self, path: Path):
        with path.open("rb") as file:
            self.bytes = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        self.hash = f"sha256:{hashlib.sha256(self.bytes).hexdigest()}"
        self.sha1 = hashlib.sha1(self.bytes).hexdigest()


class Connections:
    """Connections to one gateway: every thread that sends has one, which stays open."""

    def __init__(self, server: Server):
        self.host = server.url.removeprefix("http://")
        self.connections = threading.local()

    def environment(self, job: int, token: str) -> dict[str, str]:
        """What an uploader in a running job is told."""
        return json.loads(self.ask("POST", f"/api/registry/v1/jobs/{job}/environment", b"", {"JOB-TOKEN": token}))

    def ask(self, method: str, path: str, body: bytes | memoryview, headers: dict[str, str] | None = None) -> bytes:
        if not hasattr(self.connections, "own"):
            self.connections.own = http.client.HTTPConnection(self.host, timeout=300)
        self.connections.own.request(method, path, body, headers or {})
        answer = self.connections.own.getresponse()
        text = answer.read()
        if answer.status not in (200, 201):
            raise SystemExit(f"{path}: {answer.status} {text[:200]}")
        return text


class Toolkit(Connections):
    """A running job on one gateway."""

    def __init__(self, server: Server, job: int, token: str):
        super().__init__(server)
        self.senders = ThreadPoolExecutor(AT_A_TIME, initializer=to_load_core)
        environment = self.environment(job, token)
        self.token = environment["ACTIONS_RUNTIME_TOKEN"]
        self.job = {"workflow_run_backend_id": environment["GITHUB_RUN_ID"], "workflow_job_run_backend_id": str(job)}

    def call(self, method: str, **fields) -> dict:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        return json.loads(self.ask("POST", METHODS + method, json.dumps({**self.job, **fields}).encode(), headers))

    def send(self, name: str, content: Content) -> None:
        """Everything before the artifact is there: creates it, sends its blocks, and orders them."""
        created = urllib.parse.urlsplit(self.call("CreateArtifact", name=name, version=4)["signed_upload_url"])
        link = f"{created.path}?{created.query}"
        starts = range(0, len(content.bytes), BLOCK_BYTES)
        ids = [base64.b64encode(f"{start:048}".encode()).decode() for start in starts]

        def put(id: str, start: int) -> None:
            path = f"{link}&comp=block&blockid={urllib.parse.quote(id, safe='')}"
            self.ask("PUT", path, content.bytes[start:start + BLOCK_BYTES])

        for _ in self.senders.map(put, ids, starts):
            pass
        blocks = "".join(f"<Latest>{id}</Latest>" for id in ids)
        self.ask("PUT", f"{link}&comp=blocklist", f"<BlockList>{blocks}</BlockList>".encode())

    def finalize(self, name: str, content: Content) -> float:
        """Makes what was sent an artifact; how many milliseconds that takes."""
        begin = time.perf_counter()
        self.call("FinalizeArtifact", name=name, size=str(len(content.bytes)), hash=content.hash)
        return (time.perf_counter() - begin) * 1000

    def upload(self, name: str, content: Content) -> float:
        """The whole of an upload; MB/s of it."""
        begin = time.perf_counter()
        self.send(name, content)
        self.finalize(name, content)
        return len(content.bytes) / (time.perf_counter() - begin) / 1e6

    def link(self, name: str) -> str:
        """An address that needs no credential."""
        return self.call("GetSignedArtifactURL", name=name)["signed_url"]


def to_load_core() -> None:
    """Keeps a thread to the core that makes the load."""
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {int(LOAD_CORE)})
