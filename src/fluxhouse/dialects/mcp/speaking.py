"""The protocol itself, by its official library: streamable HTTP without sessions, so that any process may answer."""

from __future__ import annotations

from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from starlette.types import Receive, Scope, Send

from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.mcp.answers import ToolAnswer
from fluxhouse.dialects.mcp.tools import ToolFace, faces
from fluxhouse.dialects.mcp.working import Tools
from fluxhouse.dialects.wire import MAX_BODY_BYTES, key_in
from fluxhouse.generation.errors import NotFound

_INSTRUCTIONS = "Makes and edits images with FLUX models. Every image costs credits; `list_models` says how many."


class Speaking:
    """An ASGI application that speaks the protocol."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._tools = Tools(door)
        self._protocol: Server[Any] = Server(
            "fluxhouse",
            title="Fluxhouse",
            instructions=_INSTRUCTIONS,
            website_url=door.options.public_url,
            on_list_tools=self._list,
            on_call_tool=self._call,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # One for each request: its tasks end with it, and nothing has to be started or stopped with the application.
        transport = StreamableHTTPSessionManager(self._protocol, stateless=True, max_request_body_size=MAX_BODY_BYTES)
        async with transport.run():
            await transport.handle_request(scope, receive, send)

    async def _list(
        self, _context: ServerRequestContext[Any], _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        known = faces(self._door.catalog, self._door.options.serving)
        return types.ListToolsResult(tools=[_tool(face) for face in known])

    async def _call(
        self, context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        request = context.request
        key_text = None if request is None else key_in(request, "bearer")
        try:
            answer = await self._tools.call(
                params.name, params.arguments or {}, key_text, context.session.report_progress
            )
        except NotFound as error:
            raise MCPError(types.INVALID_PARAMS, error.message) from None
        return _result(answer)


def _tool(face: ToolFace) -> types.Tool:
    hints = types.ToolAnnotations(title=face.title, read_only_hint=face.reads, destructive_hint=False)
    return types.Tool(
        name=face.name, title=face.title, description=face.description, input_schema=face.schema, annotations=hints
    )


def _result(answer: ToolAnswer) -> types.CallToolResult:
    content: list[types.ContentBlock] = [types.TextContent(text=answer.text)]
    content += [types.ImageContent(data=picture, mime_type=kind) for picture, kind in answer.pictures]
    return types.CallToolResult(content=content, structured_content=dict(answer.facts), is_error=answer.failed)
