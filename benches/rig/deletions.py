"""Deletions while nodes are killed: files out of archives and whole artifacts as Buildkite's clients make them, and all
of a job by GitLab's route; some twice at once, and some jobs upload again afterwards."""

import hashlib
import io
import itertools
import json
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from .patience import Patient, Stopped

FIRST_JOB = 3_000_000
JOBS = 5_000
AT_ONCE = 3
TOKEN = "glpat-kill"
BEARER, PRIVATE = {"Authorization": f"Bearer {TOKEN}"}, {"PRIVATE-TOKEN": TOKEN}
BOUNDARY = "deletion-boundary"
REPORT = "junit.xml.gz"


def jobs() -> list[dict]:
    return [{"id": FIRST_JOB + number, "name": f"d{number}", "status": "running", "token": f"d{number}"}
            for number in range(JOBS)]


class Job:
    """The files of a job: those that stay, those whose deletion was acknowledged, and those between the two."""

    def __init__(self, id: int, uuid: str):
        self.id, self.uuid = id, uuid
        self.artifacts = f"/api/v4/projects/1/jobs/{id}/artifacts"
        self.stays: dict[str, bytes] = {}
        self.doubtful: dict[str, bytes] = {}
        self.gone: set[str] = set()

    def doubt(self, paths: list[str]) -> None:
        """To be called before their deletion is asked for."""
        for path in paths:
            self.doubtful[path] = self.stays[path]
            del self.stays[path]

    def bury(self, paths: list[str]) -> None:
        """To be called once their deletion is acknowledged."""
        self.gone.update(paths)
        for path in paths:
            self.doubtful.pop(path, None)


class Deletions(Patient):
    """Clients that delete, and what they were promised."""

    def __init__(self, run):
        super().__init__(run)
        self.numbers = itertools.count()
        self.jobs: dict[int, Job] = {}

    def delete(self) -> None:
        """One job after the other."""
        try:
            while not self.run.stop.is_set():
                self.attempt(next(self.numbers))
        except Stopped:
            pass

    def attempt(self, number: int) -> None:
        """Uploads an archive, sometimes a report, and deletes some of it; once the archive is gone, uploads another."""
        token = {"JOB-TOKEN": f"d{number}"}
        path = f"/api/registry/v1/jobs/{FIRST_JOB + number}/environment"
        uuid = json.loads(self.until(200, "POST", path, token, b""))["BUILDKITE_JOB_ID"]
        job = Job(FIRST_JOB + number, uuid)
        self.jobs[job.id] = job
        for generation in range(3):
            self.upload_archive(job, token, generation)
            if not generation and self.chance.random() < 0.3:
                self.upload_report(job, token)
            urls = self.list(job)
            if set(urls) != set(job.stays):
                raise SystemExit(f"job {job.id} has {sorted(urls)} instead of {sorted(job.stays)}")
            self.delete_some(job, urls)
            if self.chance.random() < 0.3:
                self.delete_all(job)
            if job.stays.keys() - {REPORT}:
                break

    def upload_archive(self, job: Job, token: dict, generation: int) -> None:
        """Another archive than the first is taken only after that is gone."""
        files = {f"{generation}/{at}.bin": self.chance.randbytes(self.chance.choice([0, 10, 5_000, 200_000]))
                 for at in range(self.chance.randint(1, 12))}
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path, content in files.items():
                archive.writestr(path, content, self.chance.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
        self.upload(job, token, "a.zip", packed.getvalue(), "")
        job.stays |= {path: hashlib.sha256(content).digest() for path, content in files.items()}

    def upload_report(self, job: Job, token: dict) -> None:
        content = self.chance.randbytes(3_000)
        self.upload(job, token, REPORT, content, "&artifact_type=junit&artifact_format=gzip")
        job.stays[REPORT] = hashlib.sha256(content).digest()

    def upload(self, job: Job, token: dict, name: str, content: bytes, query: str) -> None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        body = head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
        headers = {**token, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        self.until(201, "POST", f"/api/v4/jobs/{job.id}/artifacts?expire_in=never{query}", headers, body)

    def list(self, job: Job) -> dict[str, str]:
        """The addresses of a job's artifacts by their paths."""
        path = f"/v2/organizations/group/jobs/{job.uuid}/artifacts?per_page=100"
        found = json.loads(self.until(200, "GET", path, BEARER, None))
        return {item["path"]: urlsplit(item["url"]).path for item in found if item["state"] == "finished"}

    def delete_some(self, job: Job, urls: dict[str, str]) -> None:
        """Any number of them, several at a time; some by two clients at once."""
        chosen = self.chance.sample(list(urls), self.chance.randint(0, len(urls)))
        twice = {path for path in chosen if self.chance.random() < 0.15}
        job.doubt(chosen)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            tasks = [pool.submit(self.delete_one, job, path, urls[path], path in twice)
                     for path in chosen for _ in range(1 + (path in twice))]
            for task in tasks:
                task.result()

    def delete_one(self, job: Job, path: str, url: str, twice: bool) -> None:
        """Only who cannot know whether it is deleted already may be told that there is no such artifact."""
        doubtful = twice
        while not self.run.stop.is_set():
            answer = self.run.ask("DELETE", url, BEARER, None)
            if answer and (answer[0] == 204 or (answer[0] == 404 and doubtful)):
                with self.run.lock:
                    if path not in job.gone:
                        job.bury([path])
                        self.run.counts["files deleted"] += 1
                return
            if answer and answer[0] not in (503, 500):
                raise SystemExit(f"{path} of job {job.id} is not deleted: {answer}")
            doubtful = True
            self.run.counts["refused"] += 1
        raise Stopped

    def delete_all(self, job: Job) -> None:
        paths = [*job.stays, *job.doubtful]
        job.doubt(list(job.stays))
        self.until(204, "DELETE", job.artifacts, PRIVATE, None)
        job.bury(paths)
        self.run.counts["jobs emptied"] += 1

    def read(self) -> None:
        """Any job, while its files are deleted, too."""
        try:
            while not self.run.stop.is_set():
                known = list(self.jobs)
                if known:
                    self.check(self.chance.choice(known))
                else:
                    time.sleep(0.05)
        except Stopped:
            pass

    def check(self, id: int) -> None:
        """Compares the list, the archive and a file of each kind with what was promised; a difference ends the run."""
        job = self.jobs[id]
        gone, stayed, begun = set(job.gone), dict(job.stays), {**job.doubtful, **job.stays}
        urls = self.list(job)
        status, content = self.answer((200, 404), "GET", job.artifacts, {})
        archived = contents(content) if status == 200 else {}
        # What stays from before the questions until after the answers has to be among them.
        stays = {path: digest for path, digest in stayed.items() if path in job.stays}
        for what, paths in [("list", set(urls)), ("archive", set(archived) | ({REPORT} & stays.keys()))]:
            if lost := stays.keys() - paths:
                raise SystemExit(f"the {what} of job {id} has lost {sorted(lost)}")
            if back := gone & paths:
                raise SystemExit(f"the {what} of job {id} has {sorted(back)} again")
        for path, digest in archived.items():
            if path in begun and digest != begun[path]:
                raise SystemExit(f"{path} of job {id} has other bytes in the archive")
        if gone:
            path = self.chance.choice(sorted(gone - {REPORT}) or [REPORT])
            self.until(404, "GET", f"{job.artifacts}/{path}", {}, None)
        if stays:
            self.download(job, self.chance.choice(sorted(stays)), urls)
        self.run.counts["read"] += 1

    def download(self, job: Job, path: str, urls: dict[str, str]) -> None:
        digest = job.stays.get(path)
        wanted = (200, 302, 404)
        status, content = self.answer(wanted, "GET", f"{urls[path]}/download", BEARER)
        if status == 302:
            link = urlsplit(json.loads(content)["url"])
            status, content = self.answer(wanted, "GET", f"{link.path}?{link.query}", {})
        read = status, hashlib.sha256(content).digest()
        if path in job.stays and read != (200, digest):
            raise SystemExit(f"{path} of job {job.id} is lost: {status} {content[:200]}")


def contents(archive: bytes) -> dict[str, bytes]:
    """The digests of an archive's files; an archive that is broken ends the run."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            return {name: hashlib.sha256(opened.read(name)).digest() for name in opened.namelist()}
    except (zipfile.BadZipFile, EOFError, ValueError) as fault:
        raise SystemExit(f"an archive is broken: {fault}") from fault
