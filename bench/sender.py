"""A sender like Meta: signed notices over kept-alive connections, so many at a time, again on anything but 200."""

import asyncio
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field

SECRET = "0123456789abcdef0123456789abcdef"
PAGE, FORM = "111111111111111", "333333333333333"


def notice(leadgen_id: str) -> bytes:
    """One leadgen notice (facts §2.1)."""
    value = {"leadgen_id": leadgen_id, "page_id": PAGE, "form_id": FORM, "created_time": int(time.time())}
    change = {"field": "leadgen", "value": value}
    entry = {"id": PAGE, "time": int(time.time()), "changes": [change]}
    return json.dumps({"object": "page", "entry": [entry]}, separators=(",", ":")).encode()


def request(body: bytes, host: str) -> bytes:
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    head = (
        f"POST /webhooks/meta HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"X-Hub-Signature-256: sha256={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass
class Sent:
    """What came of it: seconds of each acknowledgement, when each lead was first sent, answers other than 200."""

    took_s: list[float] = field(default_factory=list)
    sent_at: dict[str, float] = field(default_factory=dict)
    refused: int = 0
    wall_s: float = 0.0


async def send(port: int, leadgen_ids: list[str], *, at_a_time: int, per_second: float | None = None) -> Sent:
    """Send one notice for each id; `per_second` spaces them evenly."""
    sent, host = Sent(), f"127.0.0.1:{port}"
    queue: asyncio.Queue[str] = asyncio.Queue()
    started = time.perf_counter()

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            leadgen_id = await queue.get()
            sent.sent_at.setdefault(leadgen_id, time.time())
            data = request(notice(leadgen_id), host)
            before = time.perf_counter()
            writer.write(data)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            if length:
                await reader.readexactly(length)
            sent.took_s.append(time.perf_counter() - before)
            if not head.startswith(b"HTTP/1.1 200"):
                sent.refused += 1
                queue.put_nowait(leadgen_id)
            if b"connection: close" in head.lower():
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            queue.task_done()

    tasks = [asyncio.create_task(one()) for _ in range(at_a_time)]
    for number, leadgen_id in enumerate(leadgen_ids):
        if per_second:
            await asyncio.sleep(max(0.0, started + number / per_second - time.perf_counter()))
        queue.put_nowait(leadgen_id)
    joined = asyncio.create_task(queue.join())
    await asyncio.wait([joined, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done() and task.exception():
            raise task.exception()  # type: ignore[misc]
        task.cancel()
    sent.wall_s = time.perf_counter() - started
    return sent


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
