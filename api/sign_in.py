"""The way into the pages and out: a form that takes a key, and a cookie that stands for the session it begins.

Plain pages without a script. A form on another site gets nowhere: its `Origin` is not ours, and the browser does not send
the cookie along.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from html import escape
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from api.errors import ApiError
from api.security import counted
from synth.linear import whole
from workspace.access.callers import Caller, Refused
from workspace.access.page_sessions import COOKIE
from workspace.catalog.rows import new_id
from workspace.settings import ROOT
from workspace.workspace import Workspace

SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
OWN_ADDRESS = whole(r"/(?![/\\])[!-\[\]-~]*", most=2_000)
ASSETS = ROOT / "pages" / "assets"
MOST_BYTES = 8192
"""Of a form, which holds a key and where to go on."""
STYLE = """
:root { color-scheme: light dark; --ground: #FFFFFF; --card: #F5F6FA; --text: #1C2333; --soft: #5B6377;
  --line: #DEE2EA; --strong: #4A3F9F; --wrong: #B3261E; }
@media (prefers-color-scheme: dark) { :root { --ground: #12141C; --card: #1B1E2A; --text: #E6E8EF; --soft: #A3A9BA;
  --line: #2E3345; --strong: #6C5FD3; --wrong: #FF8A80; } .light { display: none; } }
@media not (prefers-color-scheme: dark) { .dark { display: none; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px 16px;
  background: var(--ground); color: var(--text); font: 15px/1.5 "Source Sans", "Source Sans 3", system-ui, sans-serif; }
main { width: 100%; max-width: 420px; }
svg { display: block; margin: 0 auto 24px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 28px; }
h1 { margin: 0 0 16px; font-size: 22px; font-weight: 600; line-height: 1.3; }
label { display: block; margin-bottom: 6px; font-weight: 600; }
input { width: 100%; padding: 9px 12px; font: inherit; color: inherit; background: var(--ground);
  border: 1px solid var(--line); border-radius: 8px; }
button, a.button { display: block; width: 100%; margin-top: 20px; padding: 9px 12px; font: inherit; font-weight: 600;
  color: #FFFFFF; background: var(--strong); border: 0; border-radius: 8px; cursor: pointer; text-align: center;
  text-decoration: none; }
:focus-visible { outline: 2px solid var(--strong); outline-offset: 2px; }
p { margin: 0; } .help { margin-top: 8px; color: var(--soft); font-size: 14px; overflow-wrap: anywhere; }
.problem { margin-bottom: 16px; color: var(--wrong); } .said { margin-bottom: 16px; color: var(--soft); }
"""
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; img-src data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: browsers would then send `Origin: null` with the form.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def sign_in_routes(workspace: Callable[[], Workspace]) -> list[Route]:
    """`/sign-in` and `/sign-out`, of the workspace that the server serves."""

    async def show(request: Request) -> Response:
        said = "You are signed out." if "out" in request.query_params else ""
        return sign_in_page(own_path(request.query_params.get("next", "")), said=said)

    async def enter(request: Request) -> Response:
        if not sent_by_our_page(request):
            return notice("This form was sent by a page of another site. Sign in here instead.", 403)
        form = await _form(request)
        if form is None:
            return notice("This form is larger than a sign-in can be.", 413)
        next_path = own_path(form.get("next", ""))
        try:
            caller = await run_in_threadpool(_administrator, request, workspace(), form.get("key", "").strip())
        except (Refused, ApiError) as problem:
            status = problem.status if isinstance(problem, ApiError) else 401
            headers = (problem.headers if isinstance(problem, ApiError) else None) or {}
            _note(workspace(), request, status)
            return sign_in_page(next_path, problem=str(problem), status=status, headers=headers)
        sessions = workspace().access.sessions
        # A browser that was signed in before is so no more.
        await run_in_threadpool(sessions.end, request.cookies.get(COOKIE, ""))
        text = await run_in_threadpool(sessions.begin, caller)
        _note(workspace(), request, 303, caller)
        response = RedirectResponse(next_path, 303, HEADERS)
        longest_s = round(sessions.longest.total_seconds())
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, text, longest_s, path="/", secure=secure, httponly=True, samesite="lax")
        return response

    async def leave(request: Request) -> Response:
        # Over plain HTTP a page's form has neither; the cookie tells, which comes along with no form of another site.
        ours = request.headers.get("origin") == "null" and "sec-fetch-site" not in request.headers
        if not sent_by_our_page(request) and not (ours and COOKIE in request.cookies):
            return notice("This form was sent by a page of another site. Nobody was signed out.", 403)
        await run_in_threadpool(workspace().access.sessions.end, request.cookies.get(COOKIE, ""))
        _note(workspace(), request, 303)
        response = RedirectResponse(f"{SIGN_IN}?{urlencode({'out': 1})}", 303, HEADERS)
        response.delete_cookie(COOKIE, path="/", secure=request.url.scheme == "https", httponly=True, samesite="lax")
        return response

    return [
        Route(SIGN_IN, show, methods=["GET"]),
        Route(SIGN_IN, enter, methods=["POST"]),
        Route(SIGN_OUT, leave, methods=["POST"]),
    ]


def _administrator(request: Request, workspace: Workspace, key: str) -> Caller:
    """Who signs in with this key. Raises Refused and ApiError."""
    if not key:
        raise Refused("Type your key.")
    caller = counted(request, workspace, key, workspace.access.caller)
    if caller.shown != "key":
        raise Refused("Sign in with a key; a token is for calls.")
    if not caller.may("admin"):
        raise ApiError(
            403,
            "This key lacks the permission admin, which the pages require. Use it with the API, or ask for another.",
        )
    return caller


def _note(workspace: Workspace, request: Request, status: int, caller: Caller | None = None) -> None:
    """A line in the log of calls: who came in or went, or that somebody was refused."""
    workspace.journal.write(
        logging.WARNING if status >= 400 else logging.INFO,
        request=new_id(),
        key=caller.owner if caller else "",
        method=request.method,
        route=request.url.path,
        status=status,
    )


async def _form(request: Request) -> dict[str, str] | None:
    """The fields of a form; None when it is too large."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            return None
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def sent_by_our_page(request: Request) -> bool:
    """Whether a form was sent by a page of this server, or by no browser."""
    # Pages send no referrer, and browsers then no origin either; but this, over HTTPS and on their own machine.
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin is None:
        return True
    # The scheme is left out: a proxy may end the encryption.
    return origin.partition("://")[2] == request.headers.get("host", "")


def own_path(wanted: str) -> str:
    """A page of this server to go on with; the first one where another site, or nothing, was named."""
    path = urlsplit(wanted).path if OWN_ADDRESS.fullmatch(wanted) else ""
    return "/" if path in ("", SIGN_IN, SIGN_OUT) else wanted


def sign_in_page(
    next_path: str, *, problem: str = "", said: str = "", status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    words = f'<p class="problem" role="alert">{escape(problem)}</p>' if problem else ""
    words += f'<p class="said">{escape(said)}</p>' if said else ""
    form = f"""<form method="post" action="{SIGN_IN}">
<input type="hidden" name="next" value="{escape(next_path)}">
<label for="key">API key</label>
<input id="key" name="key" type="password" required autofocus autocomplete="current-password" spellcheck="false">
<p class="help">One with the permission admin: of UNDERSTUDY_API_KEYS, or made with POST /api/keys.</p>
<button>Sign in</button>
</form>"""
    return _page("Sign in", words + form, status, headers or {})


def notice(words: str, status: int, title: str = "Not from here") -> Response:
    """A page that says why nobody is let in."""
    return _page(title, f"<p>{escape(words)}</p>", status, {})


def _page(title: str, content: str, status: int, headers: dict[str, str]) -> Response:
    logos = "".join(
        _drawing(f"logo-{theme}.svg").replace("<svg ", f'<svg class="{theme}" ', 1) for theme in ("light", "dark")
    )
    icon = b64encode(_drawing("icon.svg").encode()).decode()
    return HTMLResponse(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · Understudy</title>
<link rel="icon" href="data:image/svg+xml;base64,{icon}">
<style>{STYLE}</style>
</head>
<body>
<main>
{logos}
<div class="card">
<h1>{escape(title)}</h1>
{content}
</div>
</main>
</body>
</html>
""",
        status,
        {**HEADERS, **headers},
    )


@cache
def _drawing(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8").strip()
