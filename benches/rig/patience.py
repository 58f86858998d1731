"""Clients of nodes that are killed: they ask again until they are answered as they want."""


class Stopped(Exception):
    """The run is over before the answer that was waited for came."""


class Patient:
    """One of the clients of a run."""

    def __init__(self, run):
        self.run, self.chance = run, run.chance

    def until(self, wanted: int, method: str, path: str, headers: dict, body: bytes | None,
              hang_up: bool = False) -> bytes:
        """Asks until it is answered so, or hangs up on the answer."""
        if hang_up:
            self.run.ask(method, path, headers, body, hang_up)
            return b"{}"
        return self.answer((wanted,), method, path, headers, body)[1]

    def answer(self, wanted: tuple[int, ...], method: str, path: str, headers: dict,
               body: bytes | None = None) -> tuple[int, bytes]:
        """Asks until the status is one of these; any other than of a node in trouble ends the run."""
        while not self.run.stop.is_set() or self.run.concluding:
            answer = self.run.ask(method, path, headers, body)
            if answer and answer[0] in wanted:
                return answer
            if answer and answer[0] not in (503, 500):
                raise SystemExit(f"{method} {path}: {answer}")
            self.run.counts["refused"] += 1
        raise Stopped
