"""Addresses of files in a repository's Git LFS storage, by hash, from its batch API.

https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dawn import download
from dawn.corpora.fetch import Address, FindAddresses, RemoteFile

_MEDIA_TYPE = "application/vnd.git-lfs+json"
_TIMEOUT = (15, 60)  # seconds to connect, and for a response


def addresses_at(servers: Sequence[str]) -> FindAddresses:
    """Return a function that finds the address of each file at the first of `servers` (``https://.../repository.git``).

    That function raises download.Unavailable when no server responded for a file.
    """

    def find(files: Sequence[RemoteFile]) -> dict[str, Address | str]:
        addresses: dict[str, Address | str] = {}
        faults: list[str] = []
        for server in servers:
            missing = [file for file in files if not isinstance(addresses.get(file.name), Address)]
            if not missing:
                break
            try:
                addresses |= _batch(server, missing)
            except (download.Unavailable, download.Refused) as error:
                faults.append(str(error))
        if len(addresses) < len(files):
            raise download.Unavailable("; ".join(faults))
        return addresses

    return find


def _batch(server: str, files: Sequence[RemoteFile]) -> dict[str, Address | str]:
    import requests

    url = f"{server}/info/lfs/objects/batch"
    body = {
        "operation": "download",
        "transfers": ["basic"],
        "hash_algo": "sha256",
        "objects": [{"oid": file.sha256, "size": file.size} for file in files],
    }
    try:
        with download.session({"Accept": _MEDIA_TYPE, "Content-Type": _MEDIA_TYPE}) as session:
            response = session.post(url, json=body, timeout=_TIMEOUT)
            answer = response.json() if response.content else {}
    except (requests.RequestException, ValueError) as error:
        raise download.Unavailable(f"{url}: no usable answer ({error})") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("objects"), list):
        message = answer.get("message", "") if isinstance(answer, dict) else ""
        busy = response.status_code == 429 or response.status_code >= 500
        fault = download.Unavailable if busy else download.Refused
        raise fault(f"{url}: the server answers {response.status_code} {response.reason} {message}".rstrip())
    objects = {str(row.get("oid")): row for row in answer["objects"] if isinstance(row, dict)}
    return {file.name: _address(file, objects.get(file.sha256), server) for file in files}


def _address(file: RemoteFile, row: dict[str, Any] | None, server: str) -> Address | str:
    action = (row or {}).get("actions", {}).get("download")
    if action:
        return Address(str(action["href"]), {str(k): str(v) for k, v in action.get("header", {}).items()})
    error = (row or {}).get("error") or {"code": 404, "message": "not named in the answer"}
    return f"{file.file}: {server} answers {error.get('code')} {error.get('message', '')}".rstrip()
