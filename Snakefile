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
include: "workflow/rules/metrics.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"


rule all:
    default_target: True
    input:
        "results/table1.csv",
        "results/figures/samples.png",
        "results/index.html",
        P.run / "quality.json",
