"""The REST API, mounted at /api: what the pages do, for programs.

`app.py` sets `api.state.workspace` when the server starts. Every call is there under /v1 too.
"""

from fastapi_offline import FastAPIOffline

from api.aliases import Aliases
from api.characters import Characters
from api.disconnect import Disconnects
from api.errors import Problem, handle_errors
from api.middleware import AuthMiddleware, Cors, Heads, Trace
from api.peers import RealPeer
from api.routes import (
    batches,
    bugs,
    conversations,
    datasets,
    downloads,
    jobs,
    keys,
    links,
    login,
    releases,
    system,
    work,
)
from api.schemas.openapi import describe, operation_id
from workspace.version import VERSION

PROBLEMS = {status: {"model": Problem} for status in (400, 401, 403, 404, 409, 410, 413, 415, 422, 429, 500, 503)}

api = FastAPIOffline(
    title="Understudy",
    version=VERSION,
    summary="Synthetic versions of your tables, each with its evaluation.",
    description="Between the fields of a request there may be rules: its schema has them as `if`, `then` and `not`, or the "
    "words of its fields do. No text anywhere may hold a NUL character (U+0000) or half of a character (U+D800 to U+DFFF "
    "alone).",
    responses=PROBLEMS,
    separate_input_output_schemas=False,
    generate_unique_id_function=operation_id,
)
handle_errors(api)
# The last one added is the outermost.
for layer in (Disconnects, Characters, Aliases, AuthMiddleware, Cors, Heads, Trace, RealPeer):
    api.add_middleware(layer)
ROUTERS = (
    system.router,
    datasets.router,
    work.router,
    batches.posting,
    batches.router,
    jobs.posting,
    jobs.router,
    downloads.router,
    releases.posting,
    releases.router,
    conversations.router,
    keys.router,
    links.router,
    login.router,
    bugs.router,
)
for router in ROUTERS:
    api.include_router(router)
    api.include_router(router, prefix="/v1", include_in_schema=False)
api.state.routes = [route for router in ROUTERS for route in router.routes]
describe(api)
