"""A pretend Graph and CRM that only wait and answer, cheap enough not to disturb what is measured.

GET /v…/<id> answers a lead or the form after `graph_ms`, POST /v…/<id>/events takes events, POST /crm an empty 200 after
`crm_ms`; GET /_seen lists when each lead reached the CRM and each event was answered (Unix seconds).
Run: python -m bench.upstream PORT GRAPH_MS CRM_MS
"""

import asyncio
import json
import re
import sys
import time
from urllib.parse import parse_qs

FORM = {
    "id": "333333333333333",
    "name": "Bench",
    "locale": "en_US",
    "page": {"id": "111111111111111", "name": "Bench"},
    "questions": [
        {"id": "1", "key": "full_name", "label": "Full name", "type": "FULL_NAME"},
        {"id": "2", "key": "email", "label": "Email", "type": "EMAIL"},
        {"id": "3", "key": "phone_number", "label": "Phone", "type": "PHONE"},
        {
            "id": "4",
            "key": "service",
            "label": "Which service?",
            "type": "CUSTOM",
            "options": [{"key": "seo", "value": "SEO"}, {"key": "ads", "value": "Ads"}],
        },
    ],
}
_LEADGEN_ID = re.compile(rb'"leadgen_id":"(\d+)"')


def lead(leadgen_id: str) -> dict[str, object]:
    number = int(leadgen_id) % 10_000_000
    return {
        "id": leadgen_id,
        "created_time": "2026-11-22T08:26:30+0000",
        "form_id": FORM["id"],
        "ad_id": "120210000000000001",
        "ad_name": "Ad A",
        "adset_id": "120210000000000011",
        "adset_name": "Set A",
        "campaign_id": "120210000000000021",
        "campaign_name": "Campaign A",
        "is_organic": False,
        "platform": "ig",
        "field_data": [
            {"name": "full_name", "values": [f"Zoë Example {number}"]},
            {"name": "email", "values": [f"zoe{number}@example.com"]},
            {"name": "phone_number", "values": [f"+1202555{number % 10_000:04d}"]},
            {"name": "service", "values": ["seo", "ads"]},
        ],
    }


class Upstream:
    def __init__(self, graph_ms: float, crm_ms: float) -> None:
        self.graph_s, self.crm_s = graph_ms / 1000, crm_ms / 1000
        self.seen: dict[str, float] = {}
        self.pushes = 0
        self.events: dict[str, float] = {}
        self.copies = self.batches = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                line = head.split(b"\r\n", 1)[0].decode()
                method, target, _ = line.split(" ", 2)
                found = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(found.group(1))) if found else b""
                answer = await self.answer(method, target, body)
                content = json.dumps(answer).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(content)
                    + content
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, method: str, target: str, body: bytes) -> object:
        path = target.partition("?")[0]
        if path == "/_seen":
            return {"seen": self.seen, "pushes": self.pushes} | {
                "events": self.events,
                "copies": self.copies,
                "batches": self.batches,
            }
        if path.endswith("/events"):
            return await self.take_events(body)
        if method == "POST":
            found = _LEADGEN_ID.search(body)
            await asyncio.sleep(self.crm_s)
            if found:
                self.seen[found.group(1).decode()] = time.time()
                self.pushes += 1
            return {}
        await asyncio.sleep(self.graph_s)
        wanted = path.rpartition("/")[2]
        return FORM if wanted == FORM["id"] else lead(wanted)

    async def take_events(self, body: bytes) -> object:
        events = json.loads(parse_qs(body.decode())["data"][0])
        await asyncio.sleep(self.graph_s)
        self.batches += 1
        for event in events:
            key = f"{event['user_data']['lead_id']} {event['event_name']}"
            self.copies += key in self.events
            self.events[key] = time.time()
        return {"events_received": len(events), "messages": [], "fbtrace_id": "bench"}


async def main(port: int, graph_ms: float, crm_ms: float) -> None:
    upstream = Upstream(graph_ms, crm_ms)
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
