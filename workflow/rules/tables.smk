"""Tables.

Needs the scores of metrics.smk. Gives results/<run>/table1.csv, .md, .tex and .json, and the same as results/table1.* for
the run that was asked for last. A table of scores that do not belong together fails instead.
"""

SUFFIXES = (".csv", ".md", ".tex", ".json")
ROWS = ("gt", "still", "other_speech", *BASELINES, "dawn")
DECLARATIONS = [f"config/baselines/{name}.yaml" for name in declared()]  # names, ranks and remarks of the rows


rule table1:
    input:
        scores=[P.scores(method) / "scores.json" for method in ROWS],
    output:
        multiext(str(P.run / "table1"), *SUFFIXES),
    log:
        P.run / "logs/table1.log",
    conda:
        "../../environment.yml"
    params:
        settings=settings("evaluate.metrics", "evaluate.paper_dataset"),
        code=code_digest("eval/tables.py", "eval/columns.py", *DECLARATIONS),
        scores=[f"{method}={P.scores(method)}" for method in ROWS],
        out=P.run / "table1",
    message:
        "table 1 of run {CONFIG.name}"
    shell:
        "python -m eval tables --config $DAWN_CONFIG --scores {params.scores} --out {params.out} 2> >(tee {log} >&2)"


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
