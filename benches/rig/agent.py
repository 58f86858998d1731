"""Uploads and finds artifacts as Buildkite's agent does: declared in a batch, sent in raw requests, and reported."""

import json
import time
import urllib.parse
import uuid

from .servers import Server
from .toolkit import Connections, Content


class Agent(Connections):
    """The agent of a running job on one gateway."""

    def __init__(self, server: Server, job: int, token: str):
        super().__init__(server)
        environment = self.environment(job, token)
        self.headers = {"Authorization": f"Token {environment['BUILDKITE_AGENT_ACCESS_TOKEN']}"}
        self.artifacts = f"/v3/jobs/{environment['BUILDKITE_JOB_ID']}/artifacts"
        self.build = environment["BUILDKITE_BUILD_ID"]

    def call(self, method: str, path: str, body: dict | None = None) -> dict | list:
        return json.loads(self.ask(method, path, json.dumps(body).encode() if body else b"", self.headers))

    def declare(self, files: dict[str, Content]) -> dict:
        """Asks how these files are to be sent."""
        described = [{"path": path, "file_size": len(content.bytes), "sha1sum": content.sha1,
                      "sha256sum": content.hash.removeprefix("sha256:")} for path, content in files.items()]
        batch = {"id": str(uuid.uuid4()), "artifacts": described, "multipart_supported": True}
        return self.call("POST", self.artifacts, batch)

    def send(self, created: dict, content: Content) -> None:
        """Sends the one file of a batch in as many parts as the gateway asks for, one after the other."""
        actions = created["per_artifact_instructions"][created["artifact_ids"][0]]["actions"]
        size, more = divmod(len(content.bytes), len(actions))
        start = 0
        for at, action in enumerate(actions):
            end = start + size + (at < more)
            url = urllib.parse.urlsplit(action["url"])
            self.ask("PUT", f"{url.path}?{url.query}", content.bytes[start:end])
            start = end

    def report(self, created: dict) -> float:
        """Says that all of a batch was sent; how many milliseconds that takes."""
        begin = time.perf_counter()
        ends = [{"id": id, "state": "finished"} for id in created["artifact_ids"]]
        self.call("PUT", self.artifacts, {"artifacts": ends})
        return (time.perf_counter() - begin) * 1000

    def upload(self, path: str, content: Content) -> float:
        """The whole of an upload; MB/s of it."""
        begin = time.perf_counter()
        created = self.declare({path: content})
        self.send(created, content)
        self.report(created)
        return len(content.bytes) / (time.perf_counter() - begin) / 1e6

    def search(self, query: str) -> tuple[float, list]:
        """Milliseconds of a search in the job's build, and what it found."""
        begin = time.perf_counter()
        found = self.call("GET", f"/v3/builds/{self.build}/artifacts/search?query={urllib.parse.quote(query)}")
        return (time.perf_counter() - begin) * 1000, found
