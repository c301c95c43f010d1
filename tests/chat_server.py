"""A real HTTP server that speaks OpenAI's chat protocol, with scripted behaviour: the tests' model.

Each request takes the next step of `script` (the last one repeats). Steps are names of the methods below.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import threading
from collections import Counter

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

WORDS = [
    "parcel",
    "invoice",
    "router",
    "battery",
    "garden",
    "ticket",
    "planet",
    "violin",
    "market",
    "window",
    "copper",
    "silver",
    "harbour",
    "lemon",
    "carpet",
]


class ChatServer:
    """Answers `/v1/chat/completions` on 127.0.0.1; counts what it was asked and what it charged."""

    def __init__(
        self, script: list[str] = ("good",), latency_s: float = 0.0, formats: tuple[str, ...] = ("json_schema",)
    ):
        self.script, self.latency_s, self.formats = list(script), latency_s, formats
        self.requests: list[dict] = []
        self.keys: Counter[str] = Counter()
        """How often a request with that idempotency key was answered, and so charged."""
        self.most_at_once = self._now = 0
        self.files: dict[str, list[dict]] = {}
        self.batches: list[dict] = []
        self._number = itertools.count()

    # Steps ---------------------------------------------------------------------------------------------------

    def good(self, body: dict, number: int) -> Response:
        return self._says(json.dumps(dialogue_for(body, number)))

    def same(self, body: dict, number: int) -> Response:
        return self._says(json.dumps(dialogue_for(body, 0)))

    def fenced(self, body: dict, number: int) -> Response:
        return self._says(f"Here you are:\n```json\n{json.dumps(dialogue_for(body, number))}\n```")

    def broken(self, body: dict, number: int) -> Response:
        return self._says('{"exchanges": [{"customer": "hello')

    def wrong_schema(self, body: dict, number: int) -> Response:
        return self._says('{"answer": 42}')

    def refusal(self, body: dict, number: int) -> Response:
        return self._says(None, refusal="I cannot help with that.")

    def length(self, body: dict, number: int) -> Response:
        return self._says(json.dumps(dialogue_for(body, number))[:40], finish="length")

    def marks(self, body: dict, number: int) -> Response:
        return self._says('{"coherence": 5, "roles": 4, "resolution": 3}')

    def wrong_key(self, body: dict, number: int) -> Response:
        return JSONResponse({"error": {"message": "Incorrect API key provided: sk-…"}}, 401)

    def no_model(self, body: dict, number: int) -> Response:
        return JSONResponse({"error": {"message": "The model does not exist"}}, 404)

    def too_many(self, body: dict, number: int) -> Response:
        return JSONResponse({"error": {"message": "Rate limit"}}, 429, headers={"Retry-After": "0.2"})

    def fails(self, body: dict, number: int) -> Response:
        return JSONResponse({"error": {"message": "boom"}}, 503)

    def cut(self, body: dict, number: int) -> Response:
        async def half():
            yield b'{"choices": [{"mess'
            raise ConnectionError("cut in the middle")

        return StreamingResponse(half(), headers={"Content-Length": "1000"})

    # The server ----------------------------------------------------------------------------------------------

    async def answer(self, request: Request) -> Response:
        body = await request.json()
        number = next(self._number)
        self.requests.append({**body, "authorization": request.headers.get("authorization")})
        asked = body.get("response_format", {}).get("type")
        if asked and asked not in self.formats:
            return JSONResponse({"error": {"message": f"response_format {asked} is not supported"}}, 400)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            await asyncio.sleep(self.latency_s)
        finally:
            self._now -= 1
        step = self.script[min(number, len(self.script) - 1)]
        response = getattr(self, step)(body, number)
        if response.status_code == 200 and step != "cut":
            self.keys[request.headers.get("idempotency-key", "")] += 1
        return response

    async def upload(self, request: Request) -> Response:
        """Takes a batch's requests; answers them when the batch is asked for a second time."""
        form = await request.form()
        lines = (await form["file"].read()).decode().splitlines()
        self.files[f"file-{len(self.files)}"] = [json.loads(line) for line in lines]
        return JSONResponse(
            {
                "id": f"file-{len(self.files) - 1}",
                "object": "file",
                "bytes": 1,
                "created_at": 0,
                "filename": "requests.jsonl",
                "purpose": "batch",
                "status": "processed",
            }
        )

    async def start_batch(self, request: Request) -> Response:
        self.batches.append({"input_file_id": (await request.json())["input_file_id"], "asked": 0})
        return self._batch(len(self.batches) - 1)

    async def see_batch(self, request: Request) -> Response:
        number = int(request.path_params["name"].split("-")[1])
        self.batches[number]["asked"] += 1
        return self._batch(number)

    def _batch(self, number: int) -> Response:
        batch = self.batches[number]
        lines = self.files[batch["input_file_id"]]
        done = batch["asked"] > 1
        return JSONResponse(
            {
                "id": f"batch-{number}",
                "object": "batch",
                "endpoint": "/v1/chat/completions",
                "created_at": 0,
                "completion_window": "24h",
                "input_file_id": batch["input_file_id"],
                "status": "completed" if done else "in_progress",
                "output_file_id": f"{batch['input_file_id']}/{number}" if done else None,
                "request_counts": {"total": len(lines), "completed": len(lines) if done else 0, "failed": 0},
            }
        )

    async def output(self, request: Request) -> Response:
        lines = []
        for line in self.files[request.path_params["name"]]:
            number = next(self._number)
            step = self.script[min(number, len(self.script) - 1)]
            body = json.loads(getattr(self, step)(line["body"], number).body)
            self.requests.append(line["body"])
            lines.append(json.dumps({"custom_id": line["custom_id"], "response": {"status_code": 200, "body": body}}))
        return Response("\n".join(lines))

    def _says(self, text: str | None, finish: str = "stop", refusal: str | None = None) -> Response:
        message = {"role": "assistant", "content": text, "refusal": refusal}
        return JSONResponse(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 0,
                "model": "scripted",
                "choices": [{"index": 0, "finish_reason": finish, "message": message}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150},
            }
        )

    @contextlib.contextmanager
    def running(self, port: int | None = None):
        """The base URL of the server while it runs in a thread."""
        if port is None:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
        routes = [
            Route("/v1/chat/completions", self.answer, methods=["POST"]),
            Route("/v1/files", self.upload, methods=["POST"]),
            Route("/v1/files/{name}/{batch}/content", self.output),
            Route("/v1/batches", self.start_batch, methods=["POST"]),
            Route("/v1/batches/{name}", self.see_batch),
        ]
        app = Starlette(routes=routes)
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            threading.Event().wait(0.01)
        try:
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.should_exit = True
            thread.join(10)


def dialogue_for(body: dict, number: int) -> dict:
    """A dialogue in the asked form, different for each number."""
    form = body.get("response_format", {})
    schema = form.get("json_schema", {}).get("schema") or form.get("schema") or {}
    name, items = next(iter(schema.get("properties", {}).items()), ("exchanges", {"minItems": 2}))
    words = [f"{WORDS[(number * 7 + at * 3) % len(WORDS)]}{number}x{at}" for at in range(40)]
    if name == "turns":
        roles = items["items"]["properties"]["role"]["enum"]
        said = [
            {"role": roles[at % len(roles)], "text": " ".join(words[at : at + 6])} for at in range(items["minItems"])
        ]
        return {"turns": said}
    roles = items.get("items", {}).get("required", ["customer", "agent"])
    said = [{role: " ".join(words[at : at + 6]) for role in roles} for at in range(items["minItems"])]
    return {"exchanges": said}
