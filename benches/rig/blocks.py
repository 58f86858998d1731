"""Uploads by blocks, as GitHub's toolkit makes them: in parallel, some of it twice, some of it never to its end."""

import base64
import hashlib
import itertools
import json
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit

from .patience import Patient, Stopped

FIRST_JOB = 2_000_000
NAMES = 5_000
AT_ONCE = 3
SERVICE = "/twirp/github.actions.results.api.v1.ArtifactService/"


def jobs(**more) -> list[dict]:
    """Two attempts for each name."""
    same = {"status": "running", **more}
    return [{"id": FIRST_JOB + number, "name": f"b{number // 2}", "token": f"b{number}", **same}
            for number in range(2 * NAMES)]


class Blocks(Patient):
    """Clients that upload by blocks, and what they were promised."""

    def __init__(self, run):
        super().__init__(run)
        self.numbers = itertools.count()
        self.tokens: dict[int, str] = {}
        self.promised: dict[int, tuple[str, bytes]] = {}

    def upload(self) -> None:
        """One name after the other; some by a later attempt again, which takes the place of the earlier one."""
        try:
            while not self.run.stop.is_set():
                number = next(self.numbers)
                for attempt in range(self.chance.choice([1, 1, 2])):
                    if not self.attempt(FIRST_JOB + 2 * number + attempt, f"blocks-{number}"):
                        break
        except Stopped:
            pass

    def attempt(self, job: int, name: str) -> bool:
        """Whether the artifact was finalized."""
        # Of one that is created once more, nothing is left to the first.
        while self.chance.random() < 0.15:
            self.send(job, name, self.chance.randrange(3))
        if self.chance.random() < 0.15:
            self.send(job, name, self.chance.randrange(3))
            return False
        content = self.send(job, name, 3)
        size, digest = str(len(content)), hashlib.sha256(content)
        request = {"name": name, "size": size, "hash": f"sha256:{digest.hexdigest()}"}
        if self.chance.random() < 0.3:
            self.call(job, "FinalizeArtifact", request, hang_up=True)
        ids = [self.call(job, "FinalizeArtifact", request)["artifact_id"]
               for _ in range(self.chance.choice([1, 1, 2]))]
        if len(set(ids)) != 1:
            raise SystemExit(f"job {job} was given several artifacts: {ids}")
        with self.run.lock:
            self.promised[job] = name, digest.digest()
            self.run.counts["by blocks"] += 1
        return True

    def send(self, job: int, name: str, steps: int) -> bytes:
        """Creates an upload; then sends some of its blocks, all of them, and the list, as far as `steps` go."""
        version = self.chance.choice([{"version": 4}, {"version": 7, "mime_type": "text/plain"}])
        link = urlsplit(self.call(job, "CreateArtifact", {"name": name, **version})["signed_upload_url"])
        path = f"{link.path}?{link.query}"
        sizes = self.chance.choices([1, 300, 20_000, 300_000], k=self.chance.randint(1, 6))
        blocks = [(base64.b64encode(f"{number:048}".encode()).decode(), self.chance.randbytes(size))
                  for number, size in enumerate(sizes)]
        sent = blocks[:self.chance.randint(0, len(blocks))] if steps == 1 else blocks if steps else []
        # Sent twice at once they hold the same bytes; else the last that was acknowledged counts.
        twice = [block for block in sent if self.chance.random() < 0.2]
        order = self.chance.sample(sent + twice, len(sent + twice))
        self.all_at_once([(path, block, block not in twice) for block in order], self.put_block)
        if steps >= 2 and (steps == 3 or self.chance.random() < 0.5):
            names = "".join(f"<Latest>{name}</Latest>" for name, _ in blocks)
            put_list = f"{path}&comp=blocklist", f"<BlockList>{names}</BlockList>".encode()
            if self.chance.random() < 0.2:
                self.put(*put_list, hang_up=True)
            self.all_at_once([put_list] * self.chance.choice([1, 1, 2]), self.put)
        return b"".join(content for _, content in blocks)

    def all_at_once(self, many: list[tuple], work) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for done in [pool.submit(work, *arguments) for arguments in many]:
                done.result()

    def put_block(self, path: str, block: tuple[str, bytes], may_differ: bool) -> None:
        name, content = block
        path = f"{path}&comp=block&blockid={quote(name, safe='')}"
        if may_differ and self.chance.random() < 0.15:
            self.put(path, b"other bytes")
        self.put(path, content)

    def put(self, path: str, body: bytes, hang_up: bool = False) -> None:
        self.until(201, "PUT", path, {"x-ms-version": "2026-04-06"}, body, hang_up)

    def call(self, job: int, method: str, request: dict, hang_up: bool = False) -> dict:
        """The answer to a call for the job; an empty one if the client hangs up before."""
        body = {"workflow_run_backend_id": "1", "workflow_job_run_backend_id": str(job), **request}
        headers = {"Authorization": f"Bearer {self.token(job)}", "Content-Type": "application/json"}
        return json.loads(self.until(200, "POST", SERVICE + method, headers, json.dumps(body).encode(), hang_up))

    def token(self, job: int) -> str:
        if job not in self.tokens:
            path, headers = f"/api/registry/v1/jobs/{job}/environment", {"JOB-TOKEN": f"b{job - FIRST_JOB}"}
            self.tokens[job] = json.loads(self.until(200, "POST", path, headers, b""))["ACTIONS_RUNTIME_TOKEN"]
        return self.tokens[job]

    def read(self) -> None:
        try:
            while not self.run.stop.is_set():
                with self.run.lock:
                    job = self.chance.choice(list(self.promised)) if self.promised else None
                if job is None:
                    time.sleep(0.05)
                else:
                    self.check(job)
        except Stopped:
            pass

    def check(self, job: int) -> None:
        """Reads what was promised; what is lost ends the run."""
        name, digest = self.promised[job]
        link = urlsplit(self.call(job, "GetSignedArtifactURL", {"name": name})["signed_url"])
        content = self.until(200, "GET", f"{link.path}?{link.query}", {}, b"")
        if hashlib.sha256(content).digest() != digest:
            raise SystemExit(f"{name} of job {job} is lost: {content[:200]}")
        self.run.counts["read"] += 1
