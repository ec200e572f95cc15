"""What all rules share: the checked configuration, file names, and what a rule's result depends on.

Needs a configuration (config/*.yaml). Gives CONFIG, P (dawn.paths.Paths), TREE and the functions below.
"""

import sys
from pathlib import Path

from dawn import config as configuration
from dawn.baselines.declaration import declared
from dawn.baselines.place import Place, present
from dawn.media.files import atomic_path
from dawn.paths import METHODS, STAGES, Paths
from dawn.provenance import code_digest, digest, forget_incomplete
from dawn.training.settings import CODE, LFG_CODE, NEEDS, cores_of, schedule_of, settings_of
from eval.sources import MEASURING as MEASURE_CODE
from snakemake.exceptions import WorkflowError

try:
    CONFIG = configuration.parse(dict(config))
except configuration.ConfigError as error:
    raise WorkflowError(str(error)) from None

P = Paths.of(CONFIG)
TREE = CONFIG.model_dump(mode="json")
# What jobs read. Named by its content and no input of any rule: a rule depends on its own keys, not on the whole file.
CONFIG_FILE = Path(".snakemake/dawn") / f"{digest(TREE)}.yaml"
if not CONFIG_FILE.is_file():
    with atomic_path(CONFIG_FILE) as aside:
        aside.write_text(CONFIG.dump(), encoding="utf-8")
SHARDS = list(range(CONFIG.corpus.shards))
# Commands of this environment are found whether or not it is activated. The allocator keeps the memory of one training
# step for the next, which saves a tenth of the time on CPUs.
shell.prefix(
    "set -euo pipefail;"
    " export MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=17179869184"
    f" PATH={Path(sys.executable).parent}:$PATH DAWN_CONFIG={CONFIG_FILE}; "
)

# Rules re-run when the code of their rooms changes, and only then: Snakemake does not see imported modules.
DATA_CODE = ("dawn/corpora", "dawn/media")
FEATURE_CODE = ("dawn/features", "dawn/media")
GENERATION_CODE = ("dawn/generation", "dawn/media", "dawn/models")


def settings(*names):
    """Digest of the configuration below dotted `names`: a rule re-runs when one of its own keys changes."""
    chosen = {}
    for name in names:
        node = TREE
        for part in name.split("."):
            node = node[part]
        chosen[name] = node
    return digest(chosen)


# A report that lists files which are gone is no report: without it, the step that made them runs again.
for index in SHARDS:
    forget_incomplete(P.shard("clips", index), P.clips, ".mp4")
    forget_incomplete(P.shard("features", index), P.features, ".safetensors")
for method in (*METHODS, *declared()):
    forget_incomplete(P.videos_report(method), P.videos(method), ".mp4")

# The baselines of this run: those that a person has set up, or given videos of. Nothing else puts a row into a table.
BASELINES = present(P)
MEASURED = ("gt", "dawn", "still", "other_speech", *BASELINES)
