"""`tunesmith chat`: talk to what serves."""

import sys
from collections.abc import Iterator
from typing import Annotated

import httpx
import typer

from tunesmith_cli import account
from tunesmith_cli.console import AsJson, fail, out, print_json


def chat(
    message: Annotated[str | None, typer.Argument(help="What to say; without it, standard input.")] = None,
    model: Annotated[str, typer.Option("--model", "-m", help="A model of your project.")] = "demo",
    system: Annotated[str | None, typer.Option(help="A system prompt.")] = None,
    max_tokens: Annotated[int, typer.Option(help="Tokens of the answer, at most.")] = 128,
    temperature: Annotated[float, typer.Option(help="0 is always the likeliest answer.")] = 0.0,
    api_key: Annotated[str | None, typer.Option(envvar="TUNESMITH_API_KEY", help="Default: the local cloud's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send one message to a served model and print the answer.

    Examples:

        tunesmith chat "Write the one-line docstring: def add(a, b): return a + b"

        cat prompt.txt | tunesmith chat --model support --json
    """
    text = message if message is not None else sys.stdin.read()
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": text})
    body = {"model": model, "messages": messages, "max_tokens": max_tokens, "temperature": temperature}
    base_url, key = endpoint(api_key)
    if as_json:
        print_json(complete(base_url, key, body))
        return
    for piece in stream(base_url, key, body):
        out.print(piece, end="", markup=False)
    out.print()


def endpoint(api_key: str | None = None) -> tuple[str, str]:
    """Base URL (ends in /v1) and key of the API."""
    local = account.local_state() if account.target() == "local" else None
    key = api_key or (local.api_key if local else None)
    if key is None:
        raise fail("no API key", "make one (tunesmith keys create --project NAME) and set TUNESMITH_API_KEY")
    return (local.api_base_url if local else account.platform().api_url), key


def complete(base_url: str, key: str, body: dict[str, object]) -> dict[str, object]:
    """The whole answer, as the API gives it."""
    response = httpx.post(f"{base_url}/chat/completions", json=body, headers=_headers(key), timeout=120)
    _check(response)
    answer: dict[str, object] = response.json()
    return answer


def stream(base_url: str, key: str, body: dict[str, object]) -> Iterator[str]:
    """The answer's text, piece by piece as it comes."""
    import json

    with httpx.stream(
        "POST", f"{base_url}/chat/completions", json=body | {"stream": True}, headers=_headers(key), timeout=120
    ) as response:
        if response.is_error:
            response.read()
        _check(response)
        for line in response.iter_lines():
            if line.startswith("data: ") and line != "data: [DONE]":
                for choice in json.loads(line[6:])["choices"]:
                    yield choice["delta"].get("content") or ""


def _headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _check(response: httpx.Response) -> None:
    if not response.is_error:
        return
    try:
        message = response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = response.text[:300]
    raise fail(f"HTTP {response.status_code}: {message}", "tunesmith models list shows what serves")
