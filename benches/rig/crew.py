"""Agents that wait for jobs, in a process of their own: each sends what `buildkite-agent start` sends, over a connection
that stays. `python3 -m rig.crew URL TOKEN COUNT` has so many of them register and connect, then they ping and send
heartbeats as often as the server tells them, until standard input ends; then it prints JSON.
"""

import asyncio
import json
import sys
import time
import urllib.parse


class Agent:
    """One of them, and how long its answers took."""

    def __init__(self, address: tuple[str, int], waits: dict[str, list[float]]):
        self.address, self.waits = address, waits
        self.reader, self.writer = None, None

    async def ask(self, method: str, path: str, token: str, body: bytes = b"") -> dict:
        """The body of an answer that must be 200."""
        kind = path.rsplit("/", 1)[1]
        head = (f"{method} {path} HTTP/1.1\r\nHost: crew\r\nAuthorization: Token {token}\r\n"
                "User-Agent: buildkite-agent/3.98.0.x (linux; amd64)\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n")
        begin = time.perf_counter()
        if self.writer and self.reader.at_eof():
            self.writer.close()
            self.writer = None
        if not self.writer:
            self.reader, self.writer = await asyncio.open_connection(*self.address)
        self.writer.write(head.encode() + body)
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin1").lower().split("\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith("content-length:"))
        content = await self.reader.readexactly(length)
        self.waits.setdefault(kind, []).append(time.perf_counter() - begin)
        if lines[0].split()[1] != "200":
            raise SystemExit(f"{path}: {lines[0]} {content[:200]}")
        if "connection: close" in lines:
            self.writer.close()
            self.writer = None
        return json.loads(content or b"{}")

    async def join(self, number: int, token: str) -> None:
        about = {"name": f"agent-{number}", "hostname": "machine", "os": "Linux", "arch": "amd64", "version": "3.98.0",
                 "script_eval_enabled": True, "priority": "", "build": "x", "meta_data": ["queue=default"],
                 "pid": number, "machine_id": f"{number:032x}", "features": ["pause-resume"]}
        self.session = await self.ask("POST", "/v3/register", token, json.dumps(about).encode())
        await self.ask("POST", "/v3/connect", self.session["access_token"])

    async def work(self, share: float) -> None:
        """Pings and sends heartbeats, begun after that share of each interval, so that all agents are spread over it."""
        token, begin = self.session["access_token"], time.monotonic()
        every, beat_every = self.session["ping_interval"], self.session["heartbeat_interval"]
        ping_at, beat_at = begin + share * every, begin + share * beat_every
        while True:
            await asyncio.sleep(max(0.0, min(ping_at, beat_at) - time.monotonic()))
            if beat_at <= ping_at:
                beat_at += beat_every
                await self.ask("POST", "/v3/heartbeat", token, b"{}")
            else:
                ping_at += every
                if (await self.ask("GET", "/v3/ping", token)).get("job"):
                    raise SystemExit("an agent is given a job, and there is none")


async def main() -> None:
    url, token, count = urllib.parse.urlsplit(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    waits: dict[str, list[float]] = {}
    agents = [Agent((url.hostname, url.port), waits) for _ in range(count)]
    tasks = []
    for number, agent in enumerate(agents):
        await agent.join(number, token)
        tasks.append(asyncio.create_task(agent.work(number / count)))
    waits.clear()
    print("ready", flush=True)
    over = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    ended, _ = await asyncio.wait([*tasks, over], return_when=asyncio.FIRST_COMPLETED)
    for task in ended - {over}:
        task.result()
    for task in tasks:
        task.cancel()
    print(json.dumps(waits), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
