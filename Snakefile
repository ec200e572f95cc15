from snakemake.utils import min_version

min_version("9.0")


# A configuration given with --configfile stands alone; values of the demo must not leak into it.
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


# Everything is asked for by name: Snakemake makes a missing file again only if it is a target or something that has to run
# needs it. A table that is asked for alone, and is there, stays as it is when a file behind it was removed.
rule all:
    default_target: True
    input:
        "results/table1.csv",
        "results/figures/samples.png",
        "results/index.html",
        P.run / "config.yaml",
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
        [P.scores(method) / "scores.json" for method in MEASURED],
