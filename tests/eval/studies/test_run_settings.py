"""Fingerprint of the settings that scores depend on."""

from __future__ import annotations

from dawn import config as settings
from eval.studies.run_settings import settings_fingerprint
from tests.support.fake_features import CONFIG


def test_fingerprint_ignores_settings_without_influence_on_numbers() -> None:
    same = settings.parse(CONFIG.model_dump() | {"evaluate": CONFIG.evaluate.model_dump() | {"threads": 7}})
    other = settings.parse(CONFIG.model_dump() | {"evaluate": CONFIG.evaluate.model_dump() | {"seed": 7}})
    assert settings_fingerprint(same) == settings_fingerprint(CONFIG) != settings_fingerprint(other)


def test_fingerprint_leaves_the_seed_of_the_syncnet_to_the_hash_of_its_weights() -> None:
    tree = CONFIG.model_dump(mode="json")
    tree["evaluate"]["syncnet"]["seed"] = 7
    assert settings_fingerprint(settings.parse(tree)) == settings_fingerprint(CONFIG)
