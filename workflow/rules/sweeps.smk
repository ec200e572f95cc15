"""Sweeps.

Needs config/sweeps/<sweep>.csv: a run a row, its columns configuration keys (docs/explanation/workflow.md). Gives
results/sweeps/<sweep>.csv, .md, .tex, .json and .png. What rows share is made once.
"""


rule sweep:
    input:
        lambda wildcards: made_of(rows_of(wildcards.sweep)),
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
        code=code_fingerprint("eval.report.sweep"),
    message:
        "sweep {wildcards.sweep}"
    shell:
        "dawn-eval sweep config/sweeps/{wildcards.sweep}.csv --config $DAWN_CONFIG"
        " --out results/sweeps/{wildcards.sweep} 2> >(tee {log} >&2)"
