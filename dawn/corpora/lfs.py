"""Files of a repository's Git LFS storage, by hash, through its batch API.

https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dawn import download
from dawn.corpora.fetch import Address, Addresses, Wanted

_MEDIA_TYPE = "application/vnd.git-lfs+json"
_TIMEOUT = (15, 60)  # seconds to connect, and to answer


def addresses_at(servers: Sequence[str]) -> Addresses:
    """Addresses from the first of `servers` (``https://.../repository.git``) that gives one for a file.

    Asking raises download.Unavailable when no server answers.
    """

    def ask(wanted: Sequence[Wanted]) -> dict[str, Address | str]:
        given: dict[str, Address | str] = {}
        faults: list[str] = []
        for server in servers:
            open_ones = [one for one in wanted if not isinstance(given.get(one.name), Address)]
            if not open_ones:
                break
            try:
                given |= _batch(server, open_ones)
            except (download.Unavailable, download.Refused) as error:
                faults.append(str(error))
        if len(given) < len(wanted):
            raise download.Unavailable("; ".join(faults))
        return given

    return ask


def _batch(server: str, wanted: Sequence[Wanted]) -> dict[str, Address | str]:
    import requests

    url = f"{server}/info/lfs/objects/batch"
    body = {
        "operation": "download",
        "transfers": ["basic"],
        "hash_algo": "sha256",
        "objects": [{"oid": one.sha256, "size": one.size} for one in wanted],
    }
    try:
        with download.session({"Accept": _MEDIA_TYPE, "Content-Type": _MEDIA_TYPE}) as web:
            answer = web.post(url, json=body, timeout=_TIMEOUT)
            told = answer.json() if answer.content else {}
    except (requests.RequestException, ValueError) as error:
        raise download.Unavailable(f"{url}: no usable answer ({error})") from None
    if not isinstance(told, dict) or not isinstance(told.get("objects"), list):
        said = told.get("message", "") if isinstance(told, dict) else ""
        kind = download.Unavailable if answer.status_code == 429 or answer.status_code >= 500 else download.Refused
        raise kind(f"{url}: the server answers {answer.status_code} {answer.reason} {said}".rstrip())
    objects = {str(row.get("oid")): row for row in told["objects"] if isinstance(row, dict)}
    return {one.name: _address(one, objects.get(one.sha256), server) for one in wanted}


def _address(one: Wanted, row: dict[str, Any] | None, server: str) -> Address | str:
    action = (row or {}).get("actions", {}).get("download")
    if action:
        return Address(str(action["href"]), {str(k): str(v) for k, v in action.get("header", {}).items()})
    error = (row or {}).get("error") or {"code": 404, "message": "not named in the answer"}
    return f"{one.file}: {server} answers {error.get('code')} {error.get('message', '')}".rstrip()
