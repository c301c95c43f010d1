"""The model server: any that implements OpenAI's chat completions, through the `openai` package."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from synth.conversations.egress import ANYWHERE, REFUSED, Egress, Host, ServerError, effective, literal
from synth.strict import StrictNumbers

if TYPE_CHECKING:
    import openai

OPENAI = "https://api.openai.com/v1"

Format = Literal["json_schema", "json_object", "text"]
"""How structured output is requested, from the strictest to the most lenient."""

FORMATS: tuple[Format, ...] = ("json_schema", "json_object", "text")


class Price(StrictNumbers):
    """US dollars per million tokens."""

    model_config = ConfigDict(extra="forbid")

    input: float = Field(0.0, ge=0, description="US dollars per million tokens read.", examples=[0.15])
    output: float = Field(0.0, ge=0, description="US dollars per million tokens written.", examples=[0.6])


class Server(StrictNumbers):
    """Where the model is, and how many requests it may get. The key is never stored."""

    model_config = ConfigDict(extra="forbid")

    base_url: str = Field(
        OPENAI,
        description="Address of the server, ending in /v1 for most: a public one, or one that the settings allow.",
        examples=["https://api.openai.com/v1"],
        json_schema_extra={"pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^/]"},
    )
    api_key: SecretStr = Field(SecretStr(""), exclude=True, description="Kept in memory only.", examples=["sk-..."])
    model: str = Field(
        "gpt-4o-mini", min_length=1, description="Name of the model on that server.", examples=["gpt-4o-mini"]
    )
    at_once: int = Field(8, ge=1, le=256, description="Requests under way at the same time.", examples=[8])
    timeout_s: float = Field(120, gt=0, description="Seconds until a request is given up.", examples=[120])
    retries: int = Field(
        5, ge=0, le=20, description="Tries again after 429, 5xx, a cut connection or a time-out.", examples=[5]
    )
    poll_s: float = Field(10, gt=0, description="Seconds between two looks at a batch.", examples=[10])
    price: Price = Field(
        default_factory=Price, description="For the estimate and the budget.", examples=[{"input": 0.15, "output": 0.6}]
    )
    local_only: bool = Field(False, description="Refuse any server that is not on this machine.", examples=[False])

    @property
    def is_local(self) -> bool:
        """Whether the address is this machine itself."""
        try:
            host = Host.of(self.base_url)
        except ServerError:
            return False
        address = literal(host.name)
        return host.name == "localhost" or (address is not None and effective(address).is_loopback)


STRANGE = "The server's answer is not in OpenAI's chat form. Check the base URL (most end in /v1)."


class Answer(BaseModel):
    """One answer of the model, with the tokens it took."""

    text: str
    finish: str = "stop"
    refusal: str = ""
    input_tokens: int
    output_tokens: int


class Client:
    """One connection pool to a server; it finds out by trying which output format the server supports.

    Raises ServerError when the address is none, or one that the egress policy forbids.
    """

    def __init__(self, server: Server, egress: Egress = ANYWHERE) -> None:
        from openai import AsyncOpenAI

        from synth.conversations.transport import FILE_BYTES, FILE_S, client

        egress = egress.here(server.local_only)
        self.server = server
        self._tells = egress.tells_of(server.base_url)
        # The package retries 408, 409, 429, 5xx, cut connections and time-outs with backoff, honouring Retry-After.
        self._openai = AsyncOpenAI(
            api_key=server.api_key.get_secret_value() or "none",
            base_url=server.base_url,
            timeout=server.timeout_s,
            max_retries=server.retries,
            http_client=client(egress, server.timeout_s),
        )
        seconds = max(server.timeout_s, FILE_S)
        self._files = self._openai.with_options(timeout=seconds, http_client=client(egress, seconds, FILE_BYTES))
        self._format = 0

    @property
    def format(self) -> Format:
        return FORMATS[self._format]

    async def send_batch(self, requests: list[dict[str, Any]]) -> str:
        """Submit many chat requests as a batch, each `{"custom_id", "body"}`; returns the batch's id."""
        lines = [{**one, "method": "POST", "url": "/v1/chat/completions"} for one in requests]
        content = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode()
        async with self._in_words():
            file = await self._files.files.create(file=("requests.jsonl", content), purpose="batch")
            batch = await self._openai.batches.create(
                input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
            )
        return batch.id

    async def batch(self, batch_id: str) -> tuple[int, dict[str, Any] | None]:
        """How many requests of a batch are answered and, once it has ended, the answers by id."""
        async with self._in_words():
            batch = await self._openai.batches.retrieve(batch_id)
            counts = batch.request_counts
            if batch.status not in ("completed", "expired", "cancelled", "failed"):
                return (counts.completed if counts else 0), None
            if batch.output_file_id is None:
                raise ServerError(f"The batch ended as {batch.status} without an answer. Try again, or without batch.")
            content = await self._files.files.content(batch.output_file_id)
        lines = map(json.loads, content.content.splitlines())
        return (counts.completed if counts else 0), {line["custom_id"]: line["response"]["body"] for line in lines}

    @asynccontextmanager
    async def _in_words(self) -> AsyncIterator[None]:
        """Turn every error of the block into a ServerError, in words that a caller may read."""
        import openai

        try:
            yield
        except (openai.APIError, ServerError) as error:
            # What answered as a model server does is one: its refusal says nothing of the network.
            tells = self._tells or (
                isinstance(error, openai.APIStatusError)
                and error.response.headers.get("content-type", "").startswith("application/json")
            )
            if not tells:
                raise ServerError(REFUSED) from None
            if isinstance(error, ServerError):
                raise
            raise ServerError(_in_words(error, self.server)) from error

    async def close(self) -> None:
        await self._openai.close()
        await self._files.close()

    async def ask(
        self, messages: list[dict[str, str]], schema: dict[str, Any], *, temperature: float, max_tokens: int, key: str
    ) -> Answer:
        """One answer; `key` is the idempotency key, so that a repeated request is not charged twice.

        Raises ServerError when the server refuses in a way that a retry will not fix.
        """
        async with self._in_words():
            return await self._ask(messages, schema, temperature, max_tokens, key)

    async def _ask(
        self, messages: list[dict[str, str]], schema: dict[str, Any], temperature: float, max_tokens: int, key: str
    ) -> Answer:
        import openai

        while True:
            at = self._format
            try:
                raw = await self._openai.chat.completions.with_raw_response.create(
                    model=self.server.model,
                    messages=messages,
                    temperature=temperature,
                    max_tokens=max_tokens,
                    extra_headers={"Idempotency-Key": key},
                    **response_format(FORMATS[at], schema),
                )
                return _read(raw.http_response.content, messages)
            except (openai.BadRequestError, openai.UnprocessableEntityError, openai.InternalServerError) as error:
                # A server that lacks a format answers 400, 422 or (llama-cpp-python) 500: fall back to a more lenient one.
                if at == len(FORMATS) - 1 or error.status_code not in (400, 422, 500):
                    raise
                self._format = max(self._format, at + 1)


TURN_LENGTH = {"minLength": 8, "maxLength": 400}


def response_format(form: Format, schema: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a request that ask for structured output."""
    if form == "json_schema":
        wrapped = {"name": "dialogue", "strict": True, "schema": schema}
        return {"response_format": {"type": "json_schema", "json_schema": wrapped}}
    if form == "json_object":
        # OpenAI ignores the schema here; llama.cpp's servers enforce it.
        return {
            "response_format": {"type": "json_object"},
            "extra_body": {"response_format": {"type": "json_object", "schema": _bounded(schema)}},
        }
    return {}


def _bounded(schema: Any) -> Any:
    """The schema with bounds on the length of a turn, which OpenAI's strict schemas do not support.

    A small model may say nothing, or continue until its context is full.
    """
    if isinstance(schema, list):
        return [_bounded(part) for part in schema]
    if isinstance(schema, dict):
        return schema | TURN_LENGTH if schema == {"type": "string"} else {k: _bounded(v) for k, v in schema.items()}
    return schema


def _read(content: bytes, messages: list[dict[str, str]]) -> Answer:
    # Parsed here: the package's own parsing takes longer than all other work of a request.
    try:
        return answer_in(json.loads(content), messages)
    except ValueError as error:
        raise ServerError(STRANGE) from error


def answer_in(body: Any, messages: list[dict[str, str]]) -> Answer:
    """The answer in a chat completion; its tokens are estimated where the server does not report them."""
    try:
        choice = body["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content") or "", message.get("refusal") or ""
        usage = body.get("usage") or {}
        return Answer(
            text=text,
            refusal=refusal,
            finish=choice.get("finish_reason") or "stop",
            input_tokens=usage.get("prompt_tokens", tokens_in(messages)),
            output_tokens=usage.get("completion_tokens", len(text) // 4 + 1),
        )
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ServerError(STRANGE) from error


def tokens_in(messages: list[dict[str, str]]) -> int:
    """About how many tokens the messages have: one for four characters of English, and a few per message."""
    return sum(len(message["content"]) // 4 + 5 for message in messages)


def _in_words(error: openai.APIError, server: Server) -> str:
    """What went wrong, in a sentence for the analyst."""
    import openai

    host = urlsplit(server.base_url).netloc.rpartition("@")[2]
    if isinstance(error, openai.AuthenticationError) and not server.api_key.get_secret_value():
        return (
            f"{host} asks for an API key (401), and none was sent. Send it again: a key is forgotten when its job ends."
        )
    if isinstance(error, openai.AuthenticationError):
        return f"{host} refused the API key (401). Check the key."
    if isinstance(error, openai.PermissionDeniedError):
        return f"{host} does not let this key use the model {server.model!r} (403)."
    if isinstance(error, openai.NotFoundError):
        return f"{host} has no model {server.model!r}, or the base URL is wrong (404). Check both."
    if isinstance(error, openai.RateLimitError):
        return f"{host} still says 'too many requests' (429) after {server.retries} tries. Lower the requests at once, or wait and resume."
    if isinstance(error, openai.APITimeoutError):
        return f"{host} did not answer within {server.timeout_s:g} s, {server.retries + 1} times. Raise the time-out or resume later."
    if isinstance(error, openai.APIConnectionError):
        return f"{host} cannot be reached. Check the base URL and that the server runs, then resume."
    if isinstance(error, openai.APIStatusError):
        return f"{host} answered with status {error.status_code} and will not take the request. Check the model and its limits."
    return f"{host} gave an answer that cannot be read. Check the base URL."
