"""Clients that take their time: sockets that ask for an archive and read little of it, or slowly."""

import socket
import threading
import time
import urllib.parse

from .load import CREDENTIALS


def ask(url: str, path: str) -> socket.socket:
    """Asks for it over a connection of its own, with a receive buffer that does not grow."""
    address = urllib.parse.urlsplit(url)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.settimeout(30)
    client.connect((address.hostname, address.port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n{CREDENTIALS}\r\n\r\n".encode())
    return client


class Readers:
    """So many clients that read a kilobyte a second each, until the end of the block."""

    def __init__(self, url: str, path: str, count: int):
        self.clients = [ask(url, path) for _ in range(count)]
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.read)

    def read(self) -> None:
        while not self.stopped.is_set():
            began = time.monotonic()
            for client in self.clients:
                client.recv(1024)
            self.stopped.wait(max(0.0, 1 - (time.monotonic() - began)))

    def __enter__(self) -> "Readers":
        self.thread.start()
        # Until the buffers on both sides are full they are not slow yet.
        time.sleep(2)
        return self

    def __exit__(self, *_) -> None:
        self.stopped.set()
        self.thread.join()
        for client in self.clients:
            client.close()


class Repeating:
    """Calls a function again and again, until the end of the block, and counts."""

    def __init__(self, work):
        self.work, self.count, self.stopped = work, 0, False
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        while not self.stopped:
            self.work(self.count)
            self.count += 1

    def __enter__(self) -> "Repeating":
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.stopped = True
        self.thread.join()
