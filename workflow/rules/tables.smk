"""Tables.

Input: the scores of metrics.smk. Output: results/<run>/table1.csv, .md, .tex and .json, copied to results/table1.* for the run
requested last; results/table2.* to table8.* from the runs of dawn/comparisons.py; results/claims.md and .json, tests of the
paper's claims on these scores. A table of scores that are not comparable is an error.
"""

SUFFIXES = (".csv", ".md", ".tex", ".json")
ROWS = ("gt", "still", "other_speech", *BASELINES, "dawn")


rule table1:
    input:
        scores=[P.scores(method) / "scores.json" for method in ROWS],
        coverage=P.coverage,
    output:
        multiext(str(P.run / "table1"), *SUFFIXES),
    log:
        P.run / "logs/table1.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("evaluate.metrics", "evaluate.paper_dataset"),
        code=code_fingerprint("eval.report.tables"),
        scores=[f"{method}={P.scores(method)}" for method in ROWS],
        out=P.run / "table1",
    message:
        "Table 1 of run {CONFIG.name}"
    shell:
        "dawn-eval tables --config $DAWN_CONFIG --scores {params.scores} --out {params.out} 2> >(tee {log} >&2)"


rule publish:
    input:
        multiext(str(P.run / "table1"), *SUFFIXES),
    output:
        multiext("results/table1", *SUFFIXES),
    log:
        P.run / "logs/publish.log",
    conda:
        "../../environment.yml"
    params:
        run=CONFIG.name,
    message:
        "results/table1.* from run {params.run}"
    shell:
        "cp {input} results/ 2> {log}"


rule comparison:
    input:
        rows=lambda wildcards: inputs_of(rows_of(wildcards.table)),
        ratings=lambda wildcards: (CONFIG.compare.ratings or []) if wildcards.table == "table6" else [],
        timing=lambda wildcards: P.run / "timing.json" if wildcards.table == "table2" else [],
    output:
        multiext("results/{table}", *SUFFIXES),
    log:
        P.run / "logs/{table}.log",
    wildcard_constraints:
        table="|".join(TABLES),
    conda:
        "../../environment.yml"
    params:
        settings=settings("evaluate.paper_dataset", "evaluate.bootstrap", "compare.ratings"),
        rows=lambda wildcards: fingerprint_of(rows_of(wildcards.table)),
        code=code_fingerprint("eval.report.paper_tables"),
    message:
        "{wildcards.table} of run {CONFIG.name}"
    shell:
        "dawn-eval table {wildcards.table} --config $DAWN_CONFIG --out results/{wildcards.table} 2> >(tee {log} >&2)"


rule claims:
    input:
        rows=[file for table in TABLES for file in inputs_of(EXPERIMENTS.comparisons.get(table, []))],
        rivals=[P.scores(method) / "scores.json" for method in BASELINES],
        timing=P.run / "timing.json",
    output:
        multiext("results/claims", ".md", ".json"),
    log:
        P.run / "logs/claims.log",
    conda:
        "../../environment.yml"
    params:
        rows=[fingerprint_of(EXPERIMENTS.comparisons.get(table, [])) for table in TABLES],
        rivals=BASELINES,
        code=code_fingerprint("eval.studies.claims", "eval.report.claims"),
    message:
        "claims of the paper on run {CONFIG.name}"
    shell:
        "dawn-eval claims --config $DAWN_CONFIG --rivals {params.rivals} --cache results/cache"
        " --out results/claims 2> >(tee {log} >&2)"
