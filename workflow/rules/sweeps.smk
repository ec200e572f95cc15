"""Sweeps, and repetitions of the run.

Input: config/sweeps/<sweep>.csv, one run per row, with configuration keys as columns (docs/explanation/workflow.md). Output:
results/sweeps/<sweep>.csv, .md, .tex, .json and .png; results/seeds.csv and .md from the run and its repetitions
(compare.repeat_seeds, compare.repeat_threads). Results that rows have in common are computed once.
"""


rule sweep:
    input:
        lambda wildcards: inputs_of(rows_of(wildcards.sweep)),
    output:
        multiext("results/sweeps/{sweep}", *SUFFIXES, ".png"),
    log:
        "results/sweeps/logs/{sweep}.log",
    wildcard_constraints:
        sweep="|".join(path.stem for path in SWEEPS.glob("*.csv")) or "(?!)",
    conda:
        "../../environment.yml"
    params:
        settings=settings("evaluate.metrics"),
        rows=lambda wildcards: fingerprint_of(rows_of(wildcards.sweep)),
        code=code_fingerprint("eval.report.sweep", "eval.figures.sweep"),
    message:
        "sweep {wildcards.sweep}"
    shell:
        "dawn-eval sweep config/sweeps/{wildcards.sweep}.csv --config $DAWN_CONFIG"
        " --out results/sweeps/{wildcards.sweep} 2> >(tee {log} >&2)"


rule seeds:
    input:
        rows=inputs_of(EXPERIMENTS.repetitions),
        quality=[PATHS[row.run].run / "quality.json" for row in EXPERIMENTS.repetitions],
    output:
        multiext("results/seeds", ".csv", ".md"),
    log:
        P.run / "logs/seeds.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("evaluate.metrics"),
        rows=fingerprint_of(EXPERIMENTS.repetitions),
        code=code_fingerprint("eval.report.seeds"),
    message:
        "run {CONFIG.name} and its repetitions"
    shell:
        "dawn-eval seeds --config $DAWN_CONFIG --out results/seeds 2> >(tee {log} >&2)"
