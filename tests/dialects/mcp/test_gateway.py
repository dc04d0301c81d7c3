"""The gateway: nobody without a key, and no protocol library before somebody comes."""

import subprocess
import sys

import httpx2
import pytest

LOADS = """
import sys
import fluxhouse.app
assert "mcp" not in sys.modules and "mcp_types" not in sys.modules
"""


def test_the_library_is_not_loaded_with_the_application():
    """It would take most of a second from every start."""
    subprocess.run([sys.executable, "-c", LOADS], check=True)


@pytest.mark.parametrize("key", [None, "fh_wrong", "fh_AAAAAAAA_" + "A" * 38])
async def test_without_a_key_nothing_is_said(live, key):
    """401 with the way to authenticate, before anything is read."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(headers=headers) as http:
        answer = await http.post(f"{live.url}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "invalid_api_key" in answer.json()["error"]["message"]


async def test_other_methods_are_answered_in_the_protocols_shape(live):
    """Errors outside any tool are JSON-RPC's."""
    async with httpx2.AsyncClient() as http:
        answer = await http.put(f"{live.url}/mcp")
    assert (answer.status_code, answer.json()["jsonrpc"]) == (405, "2.0")
