"""Sweeps.

Input: config/sweeps/<sweep>.csv, one run per row, with configuration keys as columns (docs/explanation/workflow.md). Output:
results/sweeps/<sweep>.csv, .md, .tex, .json and .png. Results that rows have in common are computed once.
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
