"""Clients that do nothing wrong, in a process of their own: they ask at a steady pace and note how long
each answer took. `python3 -m rig.innocents URL ROUND [KIND...]` works until its standard input ends, then prints JSON.

A request is due at its time whether the one before it has been answered or not, so a wait also counts for
those who had to stand behind it.
"""

import contextlib
import json
import os
import socket
import sys
import threading
import time
import urllib.parse

PATIENCE_SECONDS = 60
TOKEN = "PRIVATE-TOKEN: glpat-innocent\r\n"
UPLOADS_A_ROUND = 200
COLD_ARCHIVES = 400
BOUNDARY = "8f2c4d6b0a1e"


class Client:
    """One connection at a time, new for each request or kept."""

    def __init__(self, address: tuple[str, int], kept: bool):
        self.address, self.kept, self.socket = address, kept, None

    def ask(self, head: str, body: bytes = b"") -> int:
        """The status; 0 without a whole answer."""
        try:
            if not self.socket:
                self.socket = socket.create_connection(self.address, PATIENCE_SECONDS)
            self.socket.sendall(f"{head}Host: siege\r\n\r\n".encode() + body)
            status = self.read()
        except OSError:
            status = 0
        if not self.kept or not status:
            self.close()
        return status

    def read(self) -> int:
        received = b""
        while b"\r\n\r\n" not in received:
            piece = self.socket.recv(65536)
            if not piece:
                return 0
            received += piece
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.decode("latin1").lower().split("\r\n")
        left = next((int(line[15:]) for line in lines if line.startswith("content-length:")), 0) - len(body)
        while left > 0:
            piece = self.socket.recv(65536)
            if not piece:
                return 0
            left -= len(piece)
        if "connection: close" in lines:
            self.close()
        return int(lines[0].split()[1])

    def close(self) -> None:
        if self.socket:
            self.socket.close()
        self.socket = None


class Innocent(threading.Thread):
    """Asks for one kind of thing, again and again."""

    def __init__(self, client: Client, every: float, request, expected: int):
        super().__init__(daemon=True)
        self.client, self.every, self.request, self.expected = client, every, request, expected
        self.waits: list[float] = []
        self.failures: dict[str, int] = {}
        self.due, self.stopped = 0.0, threading.Event()

    def run(self) -> None:
        self.due = time.monotonic()
        number = 0
        while not self.stopped.is_set():
            status = self.client.ask(*self.request(number))
            if self.stopped.is_set() and status == 0:
                return
            self.waits.append(time.monotonic() - self.due)
            if status != self.expected:
                self.failures[str(status)] = self.failures.get(str(status), 0) + 1
            number += 1
            self.due += self.every
            self.stopped.wait(max(0.0, self.due - time.monotonic()))

    def outcome(self, now: float) -> dict:
        """Waits in seconds, of those included that still wait or could not even ask."""
        waits, due = list(self.waits), self.due
        while due + 1 < now:
            waits.append(now - due)
            due += self.every
        if due > self.due:
            self.failures["none"] = 1
        return {"waits": waits, "failures": self.failures}


def get(path: str, credentials: str = TOKEN):
    return lambda number: (f"GET {path} HTTP/1.1\r\n{credentials}",)


def upload(first: int):
    def request(number: int):
        job = first + number % UPLOADS_A_ROUND
        body = (f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"notes.txt\"\r\n\r\n"
                f"the notes of {job}\r\n--{BOUNDARY}--\r\n").encode()
        return (f"POST /api/v4/jobs/{job}/artifacts?artifact_type=junit&artifact_format=gzip HTTP/1.1\r\n"
                f"JOB-TOKEN: glcbt-{job}\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
                f"Content-Length: {len(body)}\r\n", body)
    return request


def cold(number: int):
    return (f"GET /api/v4/projects/1/jobs/{2000 + number % COLD_ARCHIVES}/artifacts/a.txt HTTP/1.1\r\n{TOKEN}",)


def main() -> None:
    url, round = urllib.parse.urlsplit(sys.argv[1]), int(sys.argv[2])
    address = (url.hostname, url.port)
    with contextlib.suppress(OSError):
        # Others on the machine are to slow the server down, not the clock of those who measure it.
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    project = "/api/v4/projects/1"
    innocents = {
        "liveness": Innocent(Client(address, False), 0.05, get("/-/liveness", ""), 200),
        "by id": Innocent(Client(address, True), 0.03, get(f"{project}/jobs/1/artifacts/a.txt"), 200),
        "by ref": Innocent(Client(address, True), 0.03, get(f"{project}/jobs/artifacts/main/raw/a.txt?job=small"), 200),
        "list": Innocent(Client(address, True), 0.05, get(f"{project}/jobs?per_page=20"), 200),
        "cold": Innocent(Client(address, True), 0.1, cold, 200),
        "upload": Innocent(Client(address, False), 0.15, upload(100_000 + round * UPLOADS_A_ROUND), 201),
    }
    innocents = {kind: innocents[kind] for kind in sys.argv[3:] or innocents}
    for innocent in innocents.values():
        innocent.start()
    print("ready", flush=True)
    sys.stdin.read()
    now = time.monotonic()
    for innocent in innocents.values():
        innocent.stopped.set()
    print(json.dumps({name: innocent.outcome(now) for name, innocent in innocents.items()}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
