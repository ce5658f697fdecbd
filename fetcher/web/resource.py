"""A FastAPI route that serves HEAD and OPTIONS and sends ``Allow``, as the directory's own API does."""

from __future__ import annotations

from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send


class Resource(APIRoute):
    """A route whose HEAD is GET without the body. FastAPI would document HEAD as an operation of its own."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the route's own methods, HEAD and OPTIONS. Raise ``HTTPException`` 405 for any other method."""
        methods = sorted(self.methods or ())
        allowed = [*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"]
        allow, method = ", ".join(allowed), scope["method"]

        async def send_allow(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Allow"] = allow
            elif method == "HEAD":
                message = {**message, "body": b""}  # Content-Length stays (RFC 9110, section 9.3.2)
            await send(message)

        if method not in allowed:
            raise HTTPException(405, headers={"Allow": allow})
        if method == "OPTIONS":
            await Response(status_code=204)(scope, receive, send_allow)
        else:
            await super().handle({**scope, "method": "GET" if method == "HEAD" else method}, receive, send_allow)
