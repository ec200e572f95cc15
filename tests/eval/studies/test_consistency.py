"""Consistency of score files: a score file, video or setting that does not belong to its run is named."""

from __future__ import annotations

from typing import Any

import pytest

from dawn.comparisons import Experiments
from dawn.errors import InputError
from dawn.media.files import sha256_file
from dawn.media.json_files import read_json, write_json
from dawn.paths import Paths
from eval.studies.consistency import ScoreFile, read_consistent, syncnet_of
from tests.support.scores import CLIPS, write_row_scores, write_run_scores


def files_of(experiments: Experiments) -> list[ScoreFile]:
    return [ScoreFile(experiments.runs.configs[row.run], row.method) for row in experiments.rows("table8")]


@pytest.mark.parametrize("case", ["code", "settings", "videos", "networks", "window", "method", "weights"])
def test_a_file_of_another_run_is_an_error_that_names_it(experiments: Experiments, case: str) -> None:
    paths = write_row_scores(experiments, "table8")
    config = experiments.runs.configs["smoke-window-12"]
    foreign = paths[1]
    place = Paths.of(config)
    sidecar = place.videos("commanded") / f"{CLIPS[0]}.json"
    if case == "code":
        write_run_scores(config, "commanded", code="other")
    elif case == "weights":
        write_run_scores(config, "commanded", weights="other")
    elif case == "settings":
        other = config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"bootstrap": 17})})
        write_run_scores(other, "commanded")
    elif case == "videos":  # scores of another run put in place
        foreign.write_bytes(paths[0].read_bytes())
    elif case == "method":
        tree = read_json(foreign)
        write_json(foreign, tree | {"method": "dawn"})
    else:
        weights = place.weights("lfg")
        weights.parent.mkdir(parents=True)
        weights.write_text("weights")
        video_report: dict[str, Any] = {"weights": {"lfg": sha256_file(weights)}, "window": config.generate.window}
        write_json(sidecar, video_report)
        read_consistent(files_of(experiments))
        write_json(sidecar, video_report | ({"weights": {"lfg": "0"}} if case == "networks" else {"window": 6}))
        foreign = sidecar
    with pytest.raises(InputError) as caught:
        read_consistent(files_of(experiments))
    assert str(foreign) in str(caught.value)


def test_runs_with_equal_settings_share_a_syncnet(experiments: Experiments) -> None:
    base, runs = experiments.runs.base, experiments.runs
    window = runs.configs["smoke-window-12"]
    assert syncnet_of(runs, window) == syncnet_of(runs, base) == Paths.of(base).run / "syncnet.safetensors"
    assert all(syncnet_of(runs, runs.configs[row.run]) == syncnet_of(runs, base) for row in experiments.repetitions)
    larger = next(config for config in runs.configs.values() if config.corpus.resolution != base.corpus.resolution)
    assert syncnet_of(runs, larger) != syncnet_of(runs, base)
