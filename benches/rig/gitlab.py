"""A GitLab with one project, as far as a gateway asks it; run as a program, it prints where it listens.

Pipelines of project 7 can be read with the token `glpat-known`, and so can the archives of its jobs from 900 on, all
of them the same file. Every other token is refused, after `?delay` milliseconds that were set last by `POST /delay`.
`POST /count` answers how many questions came since it was asked last."""

import http.server
import json
import os
import sys
import threading
import time

KNOWN = "glpat-known"
PROJECT, PIPELINE, FIRST_JOB = 7, 700, 900


class GitLab(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Otherwise each answer that follows its headers waits for 40 ms, which no GitLab does.
    disable_nagle_algorithm = True
    archive, delay, count, lock = "", 0.0, 0, threading.Lock()

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_POST(self):
        what, _, value = self.path.partition("?")
        if what == "/delay":
            GitLab.delay = int(value) / 1000
        with GitLab.lock:
            count, GitLab.count = GitLab.count, 0
        self.answer(200, count)

    def do_GET(self):
        with GitLab.lock:
            GitLab.count += 1
        time.sleep(GitLab.delay)
        token = self.headers.get("PRIVATE-TOKEN") or self.headers.get("Authorization", "").removeprefix("Bearer ")
        path = self.path.split("?")[0].removeprefix("/api/v4")
        if token != KNOWN:
            return self.answer(401, {"message": "401 Unauthorized"})
        parts = path.strip("/").split("/")
        if parts[:2] != ["projects", str(PROJECT)]:
            return self.answer(404, {"message": "404 Not Found"})
        match parts[2:]:
            case ["pipelines"]:
                return self.answer(200, [self.pipeline()])
            case ["jobs", job]:
                return self.answer(200, self.job(int(job)))
            case ["jobs", _, "artifacts"]:
                return self.send()
            case []:
                return self.answer(200, {"id": PROJECT, "path_with_namespace": "group/old", "visibility": "private",
                                         "public_jobs": True})
        return self.answer(404, {"message": "404 Not Found"})

    def base(self) -> str:
        return f"http://{self.headers['Host']}"

    def pipeline(self) -> dict:
        return {"id": PIPELINE, "iid": 1, "project_id": PROJECT, "sha": "a" * 40, "ref": "main", "status": "success",
                "source": "push", "created_at": "2026-02-01T11:59:00.000Z", "updated_at": "2026-02-01T11:59:00.000Z",
                "web_url": f"{self.base()}/group/old/-/pipelines/{PIPELINE}"}

    def job(self, number: int) -> dict:
        file = {"filename": "artifacts.zip", "size": os.path.getsize(GitLab.archive)}
        return {"id": number, "name": f"job {number}", "stage": "test", "status": "success", "allow_failure": False,
                "ref": "main", "tag": False, "coverage": None, "created_at": "2026-02-01T11:59:00.000Z",
                "started_at": "2026-02-01T11:59:30.000Z", "finished_at": "2026-02-01T12:00:00.000Z", "user": None,
                "commit": None, "pipeline": self.pipeline(), "web_url": f"{self.base()}/group/old/-/jobs/{number}",
                "project": {"ci_job_token_scope_enabled": False}, "artifacts_file": file, "artifacts_expire_at": None}

    def answer(self, status: int, body) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def send(self) -> None:
        with open(GitLab.archive, "rb") as file:
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Disposition", 'attachment; filename="artifacts.zip"')
            self.send_header("Content-Length", str(os.fstat(file.fileno()).st_size))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.flush()
                self.connection.sendfile(file)


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024


if __name__ == "__main__":
    GitLab.archive = sys.argv[1]
    server = Server(("127.0.0.1", 0), GitLab)
    print("127.0.0.1:%d" % server.server_port, flush=True)
    server.serve_forever()
