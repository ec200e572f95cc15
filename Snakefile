from snakemake.utils import min_version

min_version("9.0")


# --configfile replaces the demo's configuration; the two are not merged.
if not workflow.overwrite_configfiles:

    configfile: f"{workflow.basedir}/config/demo.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/generate.smk"
include: "workflow/rules/baselines.smk"
include: "workflow/rules/metrics.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/sweeps.smk"
include: "workflow/rules/figures.smk"


# The target names every output: Snakemake restores a missing file only if it is a target or the input of a job that runs.
# A table requested alone is not rebuilt when a file that it was computed from is deleted.
rule all:
    default_target: True
    input:
        "results/table1.csv",
        "results/figures/samples.png",
        "results/index.html",
        P.run / "config.yaml",
        P.run / "head_motion.safetensors",
        P.run / "quality.json",
        P.run / "reconstruction.json",
        P.run / "syncnet.safetensors",
        P.run / "table1.csv",
        P.test,
        P.manifest,
        P.dataset,
        shards(P),
        [P.weights(stage) for stage in stages_of(CONFIG)],
        [P.videos_report(method) for method in (*generated_methods(on_demand=False), *BASELINES)],
        [P.scores(method) / "scores.json" for method in SCORED],
