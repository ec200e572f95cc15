"""A kind of corpus is one file: found by its name, configured by its own options, prepared like every other."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

import dawn.corpora.kinds
from dawn.config import Corpus, loads, schema
from dawn.corpora.manifest import read_manifest, read_rejected
from dawn.corpora.prepare import prepare, write_clip
from dawn.corpora.registry import kind_of
from dawn.errors import InputError
from dawn.media.video import load_frames, probe
from dawn.plugins import load_plugin, plugin_names
from tests.support.repository import REPOSITORY

KIND = '''
"""Coloured squares that beep, one person per colour."""

from pathlib import Path

from dawn.config import Section
from dawn.corpora.manifest import Clip, Rejected
from dawn.corpora.registry import ClipList, CorpusKind
from dawn.media.files import sha256_file


class Options(Section):
    colours: tuple[int, ...]
    seconds: float = 1.0


class Squares(CorpusKind):
    options = Options

    def credit(self, corpus):
        return "Squares of this test"

    def acquire(self, corpus, folder):
        for colour in Options(**corpus.options).colours:
            (folder / f"{colour}.txt").write_text(str(colour))

    def clips(self, corpus, folder, cluster_faces):
        options = Options(**corpus.options)
        frames = round(options.seconds * corpus.fps)
        return ClipList(
            [
                Clip(f"c{colour}", f"c{colour}", split, frames, options.seconds, file, sha256_file(folder / file))
                for colour, split in zip(options.colours, ("train", "test"))
                for file in [f"{colour}.txt"]
            ],
            [Rejected("c0", "corpus", "black is no colour")],
        )

    def write_clip(self, corpus, clip, source, out, find_box):
        import numpy as np

        from dawn.media.video_writer import write_video

        frame = np.full((corpus.resolution, corpus.resolution, 3), int(source.read_text()), np.uint8)
        tone = np.sin(np.arange(clip.frames * 640) / 20).astype(np.float32)
        write_video(out, [frame] * clip.frames, audio=tone)


CORPUS = Squares()
'''
CONFIG = "corpus: {name: squares, kind: squares, resolution: 64, options: {colours: [80, 160]}}"


@pytest.fixture
def squares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The module above in a folder that belongs to the package of kinds."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/squares.py").write_text(KIND)
    monkeypatch.setattr(dawn.corpora.kinds, "__path__", [*dawn.corpora.kinds.__path__, str(tmp_path / "plugins")])
    yield
    sys.modules.pop("dawn.corpora.kinds.squares", None)


def test_every_kind_is_found_and_states_its_credit() -> None:
    names = plugin_names("dawn.corpora.kinds")
    assert names == ("crema", "demo", "folder", "hdtf", "voxceleb")
    for name in names:
        corpus = Corpus(kind=name)
        assert "\n" not in kind_of(corpus).credit(corpus)


@pytest.mark.usefixtures("squares")
def test_a_corpus_is_added_by_one_file(tmp_path: Path) -> None:
    config = loads(CONFIG)
    assert config.corpus.options == {"colours": [80, 160], "seconds": 1.0}  # defaults of the kind are filled in
    assert loads(config.dump()) == config
    assert '"squares"' in schema()
    folder = tmp_path / "data"
    folder.mkdir()
    prepare(config.corpus, folder)
    clips = read_manifest(folder / "clips.csv")
    assert [(clip.clip, clip.split, clip.frames) for clip in clips] == [("c80", "train", 25), ("c160", "test", 25)]
    assert [row.reason for row in read_rejected(folder / "rejected.corpus.csv")] == ["black is no colour"]
    assert (folder / "credit.txt").read_text() == "Squares of this test\n"
    write_clip(config.corpus, clips[1], folder, folder / "c160.mp4", lambda frame: None)
    info = probe(folder / "c160.mp4")
    assert (info.width, info.frames, info.has_audio) == (64, 25, True)
    assert np.abs(load_frames(folder / "c160.mp4").astype(int) - 160).max() <= 3


@pytest.mark.usefixtures("squares")
@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        ({"kind": "circles"}, r"corpus\.kind: .*there are: crema, demo, folder, hdtf, squares, voxceleb"),
        ({"kind": "squares"}, r"corpus\.options: colours: Field required; keys of kind 'squares': colours, seconds"),
        ({"kind": "squares", "options": {"colours": [1], "colour": 2}}, r"corpus\.options: colour: Extra inputs"),
        ({"kind": "demo", "options": {"seconds": 2}}, r"kind 'demo' takes no options; use the section corpus\.demo"),
    ],
)
def test_a_wrong_kind_or_option_is_an_input_error(corpus: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        loads(yaml.safe_dump({"corpus": corpus}))


def test_a_module_without_a_kind_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty.py").touch()
    monkeypatch.setattr(dawn.corpora.kinds, "__path__", [str(tmp_path)])
    with pytest.raises(InputError, match=r"empty\.py: defines no CORPUS"):
        load_plugin("dawn.corpora.kinds", "empty", "CORPUS")


def test_kinds_are_known_in_one_place() -> None:
    """No module, rule or metric branches on the kind of corpus."""
    for folder in ("dawn", "eval", "workflow"):
        for path in (REPOSITORY / folder).rglob("*"):
            if path.suffix in (".py", ".smk"):
                assert "corpus.kind ==" not in path.read_text() and "corpus.kind in" not in path.read_text(), path
