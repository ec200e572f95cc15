"""What all rules share: the checked configuration, file names, and what a rule's result depends on.

Needs a configuration (config/*.yaml). Gives the runs: the one of this configuration (CONFIG and P, its dawn.paths.Paths), and
those that sweeps and the paper's comparisons add (RUNS.configs and PATHS, by name); and the functions below.
"""

import sys
from pathlib import Path

from dawn import config as configuration
from dawn.baselines.declaration import declared
from dawn.baselines.setup import Setup, available
from dawn.comparisons import TABLES, experiments_of
from dawn.corpora.registry import kind_of
from dawn.features.sources import CLIPS, CORPUS, FEATURES
from dawn.errors import InputError
from dawn.fingerprint import code_fingerprint, fingerprint
from dawn.media.files import atomic_path, sha256_file
from dawn.methods import generated_methods, networks_of_method, videos_folder
from dawn.paths import Paths
from dawn.provenance import delete_incomplete
from dawn.stages import STAGES, cores_of, needs_of, owners_of, schedule_of, settings_of, stages_of, starts_of
from dawn.training.plan import code_of
from eval.metrics.registry import computed
from snakemake.exceptions import WorkflowError

try:
    CONFIG = configuration.parse(dict(config))
    computed(CONFIG.evaluate.metrics)
except InputError as error:
    raise WorkflowError(str(error)) from None

SWEEPS = Path("config/sweeps")  # one a file, and nothing that is not there
EXPERIMENTS = experiments_of(CONFIG, SWEEPS)
RUNS = EXPERIMENTS.runs
PATHS = {run: Paths.of(one) for run, one in RUNS.configs.items()}
P = PATHS[CONFIG.name]
TREES = {run: one.model_dump(mode="json") for run, one in RUNS.configs.items()}
CORPORA = {}  # name -> the first run that has it
for run, one in RUNS.configs.items():
    CORPORA.setdefault(one.corpus.name, run)
OWNERS = owners_of(RUNS.configs)

# What jobs read. Named by its content and no input of any rule: a rule depends on its own keys, not on the whole file.
CONFIG_FILES = Path(".snakemake/dawn") / fingerprint(TREES)
for place, run in [
    *((f"runs/{run}", run) for run in RUNS.configs),
    *((f"corpora/{k}", run) for k, run in CORPORA.items()),
]:
    if not (CONFIG_FILES / f"{place}.yaml").is_file():
        with atomic_path(CONFIG_FILES / f"{place}.yaml") as aside:
            aside.write_text(RUNS.configs[run].dump(), encoding="utf-8")
# Commands of this environment are found whether or not it is activated. The allocator keeps the memory of one training
# step for the next, which saves a tenth of the time on CPUs.
shell.prefix(
    "set -euo pipefail;"
    " export MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=17179869184"
    f" PATH={Path(sys.executable).parent}:$PATH DAWN_CONFIGS={CONFIG_FILES}"
    f" DAWN_CONFIG={CONFIG_FILES}/runs/{CONFIG.name}.yaml; "
)


wildcard_constraints:
    run="|".join(RUNS.configs),
    corpus="|".join(CORPORA),


def rows_of(name):
    """The rows of a table or sweep; one line that says why where this configuration does not allow them."""
    try:
        return EXPERIMENTS.rows(name)
    except configuration.ConfigError as error:
        raise WorkflowError(str(error)) from None


def run_of(wildcards):
    """The run of a job: its own, the first of its corpus, or that of the configuration."""
    if hasattr(wildcards, "corpus"):
        return CORPORA[wildcards.corpus]
    return getattr(wildcards, "run", CONFIG.name)


def at(choose):
    """A function of wildcards: what `choose` makes of the dawn.paths.Paths of the job's run."""
    return lambda wildcards: choose(PATHS[run_of(wildcards)])


def settings(*names):
    """A function of wildcards: fingerprint of the run's configuration below dotted `names`. A rule re-runs when one of its own
    keys changes.
    """

    def chosen(wildcards):
        values = {}
        for name in names:
            node = TREES[run_of(wildcards)]
            for part in name.split("."):
                node = node[part]
            values[name] = node
        return fingerprint(values)

    return chosen


def shards(paths, stages=("clips", "features")):
    """The reports of all shards of a run's corpus."""
    count = RUNS.configs[paths.run.name].corpus.shards
    return [paths.shard(stage, index) for stage in stages for index in range(count)]


def first_with(key):
    """run -> the first run with the same `key` of its configuration: what depends on nothing else is made for that one."""
    first = {}
    return {run: first.setdefault(fingerprint(key(tree)), run) for run, tree in TREES.items()}


SHOWN_ONLY = ("threads", "metrics", "paper_dataset")  # of the section evaluate: they move no number
# The judge, and the measured true videos, are those of the first run that would have the same.
JUDGES = first_with(lambda tree: [tree["evaluate"]["syncnet"], tree["seed"], tree["corpus"]["name"]])
TRUTHS = first_with(
    lambda tree: [
        JUDGES[tree["name"]],
        tree["corpus"]["name"],
        {key: value for key, value in tree["evaluate"].items() if key not in SHOWN_ONLY},
    ]
)


def faces_of(corpus):
    """Settings and code of face clustering, for a corpus whose identities come from it."""
    one = RUNS.configs[CORPORA[corpus]]
    clustered = kind_of(one.corpus).clusters_faces(one.corpus)
    return [one.features.detect_side, code_fingerprint("dawn.features.identity")] if clustered else []


def judge(wildcards):
    """The lip-sync judge of a run."""
    return PATHS[JUDGES[wildcards.run]].run / "syncnet.safetensors"


def truth(wildcards):
    """Scores of the true videos that a run's are measured against: a run's own are measured against none."""
    return [] if wildcards.method == "gt" else PATHS[TRUTHS[wildcards.run]].scores("gt") / "scores.json"


def asked_of(wildcards):
    """The metrics to score a run's method by: all, unless only comparisons that show a few have it."""
    rows = [row for rows in EXPERIMENTS.comparisons.values() for row in rows]
    shown = {key for row in rows if (row.run, row.method) == (wildcards.run, wildcards.method) for key in row.metrics}
    everything = not shown or shown >= set(configuration.DEFAULT_METRICS)
    return [key for key in RUNS.configs[wildcards.run].evaluate.scored if everything or key in shown]


def scores_of(run, method):
    """Where the scores of a run's method are."""
    return PATHS[TRUTHS[run] if method == "gt" else run].scores(method)


def stages_where(own):
    """Pattern of a run, for the stages that it trains (`own`) or takes over."""
    pairs = [(run, stage) for (run, stage), owner in OWNERS.items() if (owner == run) == own]
    return "|".join(f"{run}(?=/{stage}/)" for run, stage in pairs) or "(?!)"


def made_of(rows):
    """Files that rows of a comparison are made from: the scores, and the settings of their runs."""
    files = [scores_of(row.run, row.method) / "scores.json" for row in rows]
    files += [PATHS[row.run].videos_report(row.method) for row in rows if row.method != "gt"]
    return list(dict.fromkeys([*files, *(PATHS[row.run].run / "config.yaml" for row in rows)]))


def fingerprint_of(rows):
    """Fingerprint of the rows themselves: names, runs, changes."""
    return fingerprint([[row.name, row.run, row.method, dict(row.changes), row.paper] for row in rows])


# A report that lists files which are gone is no report: without it, the step that made them runs again.
for paths in PATHS.values():
    for stage, folder, suffix in (("clips", paths.clips, ".mp4"), ("features", paths.features, ".safetensors")):
        for report in shards(paths, [stage]):
            delete_incomplete(report, folder, suffix)
    for method in (*generated_methods(), *declared()):
        delete_incomplete(paths.videos_report(method), videos_folder(paths, method), ".mp4")

# The baselines of this run: those that a person has set up, or given videos of. Nothing else puts a row into a table.
BASELINES = available(P)
MEASURED = ("gt", "dawn", "still", "other_speech", *BASELINES)
