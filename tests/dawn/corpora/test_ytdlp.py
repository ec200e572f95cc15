"""Single videos through yt-dlp: formats, cookies, and removed videos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("yt_dlp")

from dawn.config import Fetching
from dawn.corpora.ytdlp import classify_error, fetch_video, select_formats
from dawn.errors import InputError
from tests.support.video_site import Site


def test_the_selected_format_has_the_height_and_sound() -> None:
    def offer(name: str, height: int | None, picture: str | None, sound: str | None) -> dict[str, Any]:
        return {"format_id": name, "height": height, "vcodec": picture, "acodec": sound}

    sounds = [offer("140", None, "none", "aac"), offer("251", None, "none", "opus")]
    boards, small, large = (
        offer("sb", 90, "none", "none"),
        offer("18", 360, "avc", "aac"),
        offer("22", 720, "avc", "aac"),
    )
    full, huge = offer("137", 1080, "avc", "none"), offer("313", 2160, "vp9", "none")
    offers = [
        ([boards, *sounds, small, large, full, huge], 1080, ["137", "251"]),
        ([boards, *sounds, small, large, full, huge], 720, ["22"]),
        ([small, large, full, huge], 1080, ["22"]),  # no sound to go with more
        ([*sounds, huge], 1080, ["313", "251"]),  # nothing lower
        ([offer("mp4", None, None, None)], 1080, ["mp4"]),
        (sounds, 1080, []),
    ]
    for formats, height, expected in offers:
        assert [selected["format_id"] for selected in select_formats(formats, height)] == expected


def test_cookies_are_sent_and_not_written(site: Site, video: bytes, tmp_path: Path) -> None:
    site.files = {"v0.mp4": video}
    jar = tmp_path / "cookies.txt"
    jar.write_text("# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tpass\tgranted\n")
    before = jar.read_bytes()
    fetch_video(f"{site.address}/v0.mp4", tmp_path / "v0", 1080, Fetching(cookies=str(jar), rate=50))
    assert set(site.cookies) == {"pass=granted"} and jar.read_bytes() == before
    with pytest.raises(InputError, match=r"nowhere\.txt: cannot be read as cookies"):
        fetch_video(f"{site.address}/v0.mp4", tmp_path / "v1", 1080, Fetching(cookies="nowhere.txt"))


@pytest.mark.parametrize(
    ("words", "expected", "gone"),
    [
        ("Video unavailable. This video has been removed by the uploader", True, True),
        (
            "Private video. Sign in if you've been granted access to this video. Use --cookies-from-browser or",
            True,
            True,
        ),
        ("Sign in to confirm your age. This video may be inappropriate for some users. Use --cookies for", True, True),
        ("Sign in to confirm you\u2019re not a bot. Use --cookies-from-browser or --cookies", True, False),
        ("This content isn't available, try again later. The current session has been rate-limited", True, False),
        ("Requested format is not available. Use --list-formats for a list of available formats", True, False),
        ("The following content is not available on this app. Watch on the latest version of YouTube", True, False),
        ("Unable to extract player response; please report this issue on", False, False),
    ],
)
def test_removed_videos_are_distinguished_from_temporary_refusals(words: str, expected: bool, gone: bool) -> None:
    from yt_dlp.utils import DownloadError, ExtractorError, GeoRestrictedError

    fault = ExtractorError(words, expected=expected, video_id="abc", ie="youtube")
    result = classify_error(DownloadError(f"ERROR: {fault}", (type(fault), fault, None)))
    assert result.gone == gone and words.startswith(result.reason)
    assert "--" not in result.reason and "report" not in result.reason
    region = GeoRestrictedError("The uploader has not made this video available in your country")
    assert classify_error(DownloadError("ERROR", (type(region), region, None))).gone
