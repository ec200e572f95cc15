"""Definitions shared by all rules: the validated configuration, the paths of all runs, and fingerprints of settings.

Input: a configuration (config/*.yaml). Defines the run of this configuration (CONFIG, and P, its dawn.paths.Paths), the runs
that sweeps, the paper's comparisons and repetitions add (RUNS.configs and PATHS, by name), and the functions below. Snakemake
does not detect changes of imported modules: each rule has the fingerprint of its code, and of the settings that it uses, as
params.
"""

import sys
from pathlib import Path

import snakemake.cli

from dawn import config as configuration
from dawn.baselines.declaration import declared
from dawn.baselines.setup import Setup, available
from dawn.comparisons import TABLES, experiments_of
from dawn.corpora.registry import kind_of
from dawn.errors import InputError
from dawn.features.encoders import FILES, RECORD, encoder_files, encoder_folder
from dawn.features.sources import clips_code, corpus_code, features_code, pack_code
from dawn.fingerprint import code_fingerprint, fingerprint
from dawn.media.files import atomic_path, sha256_file
from dawn.methods import SCORED_METHODS, STRATEGIES, generated_methods, get_method, networks_of_method, videos_folder
from dawn.paths import Paths
from dawn.provenance import incomplete
from dawn.stages import STAGES, cores_of, gpus_of, needs_of, owners_of, schedule_of, settings_of, stages_of, starts_of
from dawn.stages import speech_settings_of, syncnet_settings_of
from dawn.training.plan import code_of
from eval.metrics.registry import computed, modules_of
from eval.studies.run_settings import settings_fingerprint
from snakemake.exceptions import WorkflowError

try:
    CONFIG = configuration.parse(dict(config))
    computed(CONFIG.evaluate.metrics)
except InputError as error:
    raise WorkflowError(str(error)) from None

SWEEPS = Path("config/sweeps")  # one CSV file per sweep
EXPERIMENTS = experiments_of(CONFIG, SWEEPS)
RUNS = EXPERIMENTS.runs
PATHS = {run: Paths.of(settings) for run, settings in RUNS.configs.items()}
P = PATHS[CONFIG.name]
TREES = {run: settings.model_dump(mode="json") for run, settings in RUNS.configs.items()}
CORPORA = {}  # corpus -> the first run that uses it
for run, run_config in RUNS.configs.items():
    CORPORA.setdefault(run_config.corpus.name, run)
OWNERS = owners_of(RUNS.configs)

# Configuration files for jobs, in a folder named by their content. They are not inputs: a rule depends on its keys alone.
CONFIG_FILES = Path(".snakemake/dawn") / fingerprint(TREES)
for name, run in [
    *((f"runs/{run}", run) for run in RUNS.configs),
    *((f"corpora/{corpus}", run) for corpus, run in CORPORA.items()),
]:
    if not (CONFIG_FILES / f"{name}.yaml").is_file():
        with atomic_path(CONFIG_FILES / f"{name}.yaml") as aside:
            aside.write_text(RUNS.configs[run].dump(), encoding="utf-8")
# The commands of this environment are on PATH without its activation. The allocator settings retain memory from one
# training step to the next, which saves 10 % of the time on CPUs. Threads of a job that wait for each other sleep: by
# default they spin, which takes the cores from jobs next to them (three jobs of two threads on two cores: 7 times slower).
shell.prefix(
    "set -euo pipefail;"
    " export MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=17179869184"
    " OMP_WAIT_POLICY=${{OMP_WAIT_POLICY:-passive}}"
    f" PATH={Path(sys.executable).parent}:$PATH DAWN_CONFIGS={CONFIG_FILES}"
    # A training whose SLURM job ends may queue it again: the job is this step alone.
    f" DAWN_REQUEUE={1 if workflow.remote_exec else ''}"
    f" DAWN_CONFIG={CONFIG_FILES}/runs/{CONFIG.name}.yaml; "
)


wildcard_constraints:
    run="|".join(RUNS.configs),
    corpus="|".join(CORPORA),


def rows_of(name):
    """Return the rows of a table or sweep. Raises WorkflowError if this configuration does not allow them."""
    try:
        return EXPERIMENTS.rows(name)
    except configuration.ConfigError as error:
        raise WorkflowError(str(error)) from None


def run_of(wildcards):
    """Return the run of a job: the wildcard run, the first run with the wildcard corpus, or the configuration's run."""
    if hasattr(wildcards, "corpus"):
        return CORPORA[wildcards.corpus]
    return getattr(wildcards, "run", CONFIG.name)


def path_of(choose):
    """Create an input function that applies `choose` to the dawn.paths.Paths of the job's run."""
    return lambda wildcards: choose(PATHS[run_of(wildcards)])


def settings(*names):
    """Create a params function: fingerprint of the values of the dotted keys `names`; a section includes all its keys."""

    def values_of(wildcards):
        values = {}
        for name in names:
            node = TREES[run_of(wildcards)]
            for part in name.split("."):
                node = node[part]
            values[name] = node
        return fingerprint(values)

    return values_of


def shards(paths, stages=("clips", "features")):
    """Return the reports of all shards of the corpus of a run."""
    count = RUNS.configs[paths.run.name].corpus.shards
    return [paths.shard(stage, index) for stage in stages for index in range(count)]


def packed(paths):
    """Return the packed training clips of the corpus of a run, which training reads."""
    run_config = RUNS.configs[paths.run.name]
    count = 0 if run_config.data.store == "none" else run_config.corpus.shards
    return [paths.store(index) for index in range(count)]


def training_schedule(wildcards):
    """Return the schedule of a training job: that of its stage, else that of the SyncNet."""
    run_config = RUNS.configs[wildcards.run]
    if hasattr(wildcards, "stage"):
        return schedule_of(run_config, wildcards.stage)
    return run_config.evaluate.syncnet.train


def relative(file):
    """Return a file in the working folder by its relative path: a moved folder trains nothing again."""
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file


def starts(wildcards):
    """Return the weights of other runs or of this package that a training starts from."""
    stage = getattr(wildcards, "stage", "syncnet")
    return [relative(file) for file in starts_of(RUNS.configs[wildcards.run], stage)]


def encoder(wildcards):
    """Return the files of the speech encoder: those that a run's training writes, or those of a local folder."""
    name = RUNS.configs[run_of(wildcards)].features.speech.encoder
    trained = [paths.speech for paths in PATHS.values() if paths.speech == Path(name)]
    if trained:
        return [trained[0] / file for file in FILES]
    folder = encoder_folder(name)
    return [] if folder is None else [relative(file) for file in encoder_files(folder)]


def executes_jobs():
    """Return whether Snakemake was started to execute jobs, not for a dry run, a graph, a list or housekeeping."""
    _, options = snakemake.cli.parse_args(sys.argv[1:])
    others = "dryrun dag rulegraph filegraph d3dag summary detailed_summary list_rules list_target_rules list_changes"
    others += " list_params_changes list_input_changes list_code_changes lint unlock cleanup_metadata report touch"
    return not any(getattr(options, name, None) for name in others.split())


def first_with(key):
    """Map each run to the first run whose configuration has an equal `key`, which owns results that depend on it alone."""
    first = {}
    return {run: first.setdefault(fingerprint(key(run)), run) for run in TREES}


# SyncNet, and the scores of the real videos, are shared by the runs for which they are equal.
SYNCNET_RUNS = first_with(lambda run: [TREES[run]["corpus"]["name"], syncnet_settings_of(RUNS.configs[run])])
REAL_RUNS = first_with(lambda run: [SYNCNET_RUNS[run], settings_fingerprint(RUNS.configs[run])])


def kind(wildcards):
    """Return the kind of the corpus of a job."""
    return RUNS.configs[CORPORA[wildcards.corpus]].corpus.kind


def face_clustering(wildcards):
    """Return settings and code of face clustering, for a corpus whose identities are derived by it; else nothing."""
    run_config = RUNS.configs[CORPORA[wildcards.corpus]]
    clustered = kind_of(run_config.corpus).clusters_faces(run_config.corpus)
    return [run_config.features.detect_side, code_fingerprint("dawn.features.identity")] if clustered else []


def syncnet(wildcards):
    """Return the weights of the SyncNet that scores a run."""
    return PATHS[SYNCNET_RUNS[wildcards.run]].run / "syncnet.safetensors"


def trained_syncnet(wildcards):
    """Return the option that names a SyncNet which is trained already, or nothing: the report must not wait for one."""
    own = PATHS[wildcards.run].run / "syncnet.safetensors"
    return next((f"--syncnet {weights}" for weights in (syncnet(wildcards), own) if weights.is_file()), "")


def real_scores(wildcards):
    """Return the scores of the real videos of a run; nothing for these scores themselves."""
    return [] if wildcards.method == "gt" else PATHS[REAL_RUNS[wildcards.run]].scores("gt") / "scores.json"


def evaluation_shards(run):
    """Return the shards in which the test videos of a run are generated and measured; none where one job does all."""
    count = RUNS.configs[run].evaluate.shards
    return range(count) if count > 1 else ()


def weights_of_method(wildcards):
    """Return the weights of the networks that generate the videos of a method."""
    stages = networks_of_method(RUNS.configs[wildcards.run], wildcards.method)
    return [PATHS[wildcards.run].weights(stage) for stage in stages]


def videos_code(wildcards):
    """Return the fingerprint of the code that generates the videos of a method."""
    return code_fingerprint("dawn.generation.testset", plugins={STRATEGIES: get_method(wildcards.method).modules})


def measured_videos(wildcards):
    """Return the report of the videos of a method; nothing for the real videos."""
    return [] if wildcards.method == "gt" else PATHS[wildcards.run].videos_report(wildcards.method)


def metrics_of(wildcards):
    """Return the metrics to compute for a method: all, unless it occurs only in comparisons that show a few."""
    rows = [row for rows in EXPERIMENTS.comparisons.values() for row in rows]
    shown = {key for row in rows if (row.run, row.method) == (wildcards.run, wildcards.method) for key in row.metrics}
    everything = not shown or shown >= set(configuration.DEFAULT_METRICS)
    return [key for key in RUNS.configs[wildcards.run].evaluate.scored if everything or key in shown]


def scores_of(run, method):
    """Return the folder of the scores of a method in a run."""
    return PATHS[REAL_RUNS[run] if method == "gt" else run].scores(method)


def runs_with_stage(trained):
    """Return the wildcard pattern of the runs that train the stage in the path, or of those that copy its weights."""
    pairs = [(run, stage) for (run, stage), owner in OWNERS.items() if (owner == run) == trained]
    return "|".join(f"{run}(?=/{stage}/)" for run, stage in pairs) or "(?!)"


def inputs_of(rows):
    """Return the files that the rows of a comparison are computed from: scores, reports of videos, settings."""
    files = [scores_of(row.run, row.method) / "scores.json" for row in rows]
    files += [PATHS[row.run].videos_report(row.method) for row in rows if row.method != "gt"]
    return list(dict.fromkeys([*files, *(PATHS[row.run].run / "config.yaml" for row in rows)]))


def fingerprint_of(rows):
    """Compute the fingerprint of the definition of rows: names, runs, methods, changes, rows of the paper."""
    return fingerprint([[row.name, row.run, row.method, dict(row.changes), row.paper] for row in rows])


# Delete reports whose files are missing, so that the rules which write both run again: in the main process alone, not in those
# of jobs, which read this file too; and only if it executes jobs, which the command line states.
if workflow.is_main_process:
    outdated = []
    for run in CORPORA.values():
        outdated += incomplete(shards(PATHS[run], ["clips"]), PATHS[run].clips, PATHS[run].clip)
        outdated += incomplete(shards(PATHS[run], ["features"]), PATHS[run].features, PATHS[run].clip_features)
    for paths in PATHS.values():
        for method in (*generated_methods(), *declared()):
            folder = videos_folder(paths, method)
            reports = [paths.videos_report(method)]
            reports += [paths.videos_shard(method, shard) for shard in evaluation_shards(paths.run.name)]
            outdated += incomplete(reports, folder, lambda name: folder / f"{name}.mp4")
    executing = bool(outdated) and executes_jobs()
    for listing in outdated:
        if executing:
            listing.unlink()
        else:
            print(f"{listing}: files are missing; a run, unlike this command, makes them again", file=sys.stderr)

# Rows of tables exist for baselines that are installed or whose videos are present.
BASELINES = available(P)
SCORED = (*SCORED_METHODS, *BASELINES)
